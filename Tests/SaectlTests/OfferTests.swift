// What a shell is offered at TAB, up to what a daemon is asked: Tests/SystemTests completes in real shells.

import Foundation
import SaectlKit
import Testing
import Wire

@Suite struct OfferTests {
    private func view(_ model: String, _ adapter: String, _ sae: String) -> Saed_ViewName {
        .with { ($0.model, $0.adapter, $0.sae) = (model, adapter, sae) }
    }

    @Test func aViewIsOfferedByItsAdapterWhereThatMeansOne() {
        let names = ViewNames([view("b16", "base", "s"), view("b16", "maple", "s"), view("l14", "base", "s")])
        #expect(names.all == ["b16/base/s", "maple", "l14/base/s", "b16/base/s", "b16/maple/s", "l14/base/s"])
    }

    @Test func onlyViewsOfOneModelAndSAEAreOfferedAsARange() {
        let names = ViewNames([view("b16", "base", "s"), view("b16", "maple", "s"), view("l14", "vpt", "s"), view("b16", "coop", "t")])
        #expect(names.ranges == ["base..maple", "..maple", "maple..base"])
    }

    @Test func imagesAreOfferedAFolderAtATimeAndTheOnlyFolderIsEntered() throws {
        let drop = try TemporaryFolder()
        for file in ["images/star/1.jpg", "images/star/2.JPG", "images/square/1.png", "images/a.webp", "datasets/set/ring/r.png", "models/m/x.png"] {
            try drop.write(file, "")
        }
        try drop.write("images/notes.txt", "")
        try drop.write("images/.hidden.png", "")
        let files = FileNames(drop: drop.path)
        #expect(files.images("").sorted() == ["a.webp", "datasets/", "images/", "square/", "star/"])
        #expect(files.images("s").sorted() == ["square/", "star/"])
        #expect(files.images("st").sorted() == ["star/1.jpg", "star/2.JPG"])
        #expect(files.images("star/1").sorted() == ["star/1.jpg"])
        #expect(files.images("datasets/").sorted() == ["datasets/set/ring/r.png"])
        #expect(files.images("x") == [])
        #expect(files.labels.sorted() == ["ring", "square", "star"] && files.datasets == ["set"])
    }

    @Test func theDaemonThatTheLineNamesIsAsked() {
        #expect(SocketPath(line: ["saectl", "--root", "/srv/a", "show", ""]).path == "/srv/a/saed.sock")
        #expect(SocketPath(line: ["saectl", "show", "--root='/srv/a b'", ""]).path == "/srv/a b/saed.sock")
        #expect(SocketPath(line: ["saectl", "show", "--socket", "/run/my\\ saed.sock", ""]).path == "/run/my saed.sock")
    }

    /// bash expands the words that it is offered, so a file's name could run a program.
    @Test func namesOfFilesAreQuotedForTheShellThatAsks() {
        #expect(Offer.Shell.bash.quoted("star/1.jpg") == "star/1.jpg")
        #expect(Offer.Shell.bash.quoted("$(reboot) it's.jpg") == "'$(reboot) it'\\''s.jpg'")
        #expect(Offer.Shell.bash.quoted("`reboot`") == "'`reboot`'")
        #expect(Offer.Shell.zsh.quoted("a:b\\c") == "a\\:b\\\\c")
        #expect(Offer.Shell.fish.quoted("a:b") == "a:b")
    }

    @Test func whereTooManyWordsFitTheFirstAndTheLastTellWhatAllHaveInCommon() {
        let words = (0..<2000).map { String(format: "a%05d", $0) } + ["b"]
        let few = Offer.few(words)
        #expect(few.count == 1000 && few.first == "a00000" && few.last == "b")
        #expect(Offer.few(["x"]) == ["x"])
    }

    @Test func withoutADaemonNothingIsOffered() {
        for offer in [Offer.views, .images, .classes, .labels, .targets] {
            #expect(offer.words(line: ["saectl", "--root", "/nonexistent", "show", ""], prefix: "") == [])
        }
        #expect(Offer.templates.words(line: ["saectl"], prefix: "phot") == ["photo"])
    }

    @Test func aUsageLineIsFoldedBetweenArgumentsWithoutWhatAllCommandsTake() {
        let text = "Error: no\nUsage: saectl show [--socket <path>] [--root <dir>] [--json] [--view <view>] <image> [--patch <row,column>] -o <file>\n  See"
        #expect(
            UsageLine.folded(text, columns: 44)
                == "Error: no\nUsage: saectl show [--view <view>] <image>\n         [--patch <row,column>] -o <file>\n  See")
        #expect(UsageLine.folded("USAGE: saectl <subcommand>\n", columns: 20) == "USAGE: saectl\n         <subcommand>\n")
    }
}
