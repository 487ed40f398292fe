// The control of random directions that stands beside a finding: which one, on which of the images that were asked about,
// and what is told of it. A full one, made by hand, goes before the automatic one, which covers a sample.
//
// A control's figures stand on the images that both of its views and both of the finding's have. Where these are not all
// that the finding stands on, the finding is told on them too: only the same images, on both sides, can be compared.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire

/// Beside one finding.
struct FindingControl {
    /// The views to ask; nil where there are none.
    var pair: (base: ViewPlan, adapted: ViewPlan)?
    var isAutomatic = false
    /// Images in question that the finding's views have.
    var all = 0
    /// Of `all`, those that the control is to have: all of them, or those of the sample.
    var wanted = 0
    /// Of `wanted`, those that it has.
    var images: [ImageRecord.ID] = []
    /// Half of all that it is to have, in question or not, is there: figures on less would not be told apart from chance.
    var isUsable = false
    /// Why there is none.
    var reason: String?

    /// Whether figures of it are told.
    var isShown: Bool { pair != nil && isUsable && !images.isEmpty }
    /// It stands on all that the finding stands on.
    var isWhole: Bool { isShown && images.count == all }
    /// Images that say little of a share.
    private static let few = 20

    /// - Parameters:
    ///   - images: on which the figures stand, where these are fewer than `images`.
    ///   - of: on which the finding stands, where these are fewer than `all`.
    ///   - like: the SAE's name, for what to do.
    func message(images counted: Int? = nil, of found: Int? = nil, like: String) -> Saed_Control {
        .with {
            if isShown, let pair { $0.view = pair.adapted.name.description }
            $0.automatic = isAutomatic
            $0.images = UInt64(images.count)
            $0.wanted = UInt64(wanted)
            $0.shown = isShown && counted != 0
            $0.text = text(counted ?? images.count, found ?? all, like)
        }
    }

    private func text(_ counted: Int, _ found: Int, _ like: String) -> String {
        if let reason { return "control: \(reason)" }
        let name = "random directions" + (isAutomatic ? "" : pair.map { " ('\($0.adapted.name.sae)')" } ?? "")
        let full = isAutomatic ? "saectl sae random NAME --like \(like) makes one of all images" : ""
        guard wanted > 0 else { return "control: \(name), on a sample that has \(all == 1 ? "not this image" : "none of these images"); \(full)" }
        guard isShown else {
            return "control: \(name), being made: \(images.count) of \(count(wanted)) (saectl wait --controls)"
        }
        guard counted > 0 else { return "control: \(name), on a sample that has no image of these classes; \(full)" }
        if isWhole { return "control: \(name), on the same \(counted == 1 ? "image" : count(counted))" }
        var text = "control: \(name), on \(counted) of the \(count(found))"
        if isAutomatic { text += ", a sample spread over data sets and labels" }
        if images.count < wanted { text += ", still being made: \(images.count) of \(wanted)" }
        text += "; 'same images' is the finding on these"
        if counted < FindingControl.few { text += "; so few say little" + (full.isEmpty ? "" : " (\(full))") }
        return text
    }

    private func count(_ images: Int) -> String { images == 1 ? "1 image" : "\(images) images" }
}

extension Answers {
    /// What stands beside a finding.
    ///
    /// - Parameters:
    ///   - name: an SAE of random directions that was made by hand; empty: the one of the views' SAE, else the automatic one.
    ///   - label, images: what was asked about; nil for all.
    /// - Throws: `WireFailure` where `name` is no control of the views.
    func control(
        of base: ViewPlan, _ adapted: ViewPlan, named name: String, label: String? = nil, images: Set<ImageRecord.ID>? = nil
    ) throws -> FindingControl {
        var control = FindingControl()
        let pair: (base: ViewPlan, adapted: ViewPlan)?
        if let made = try controlMadeByHand(of: base, adapted, named: name) {
            pair = made
        } else {
            control.isAutomatic = true
            pair = automaticControl(of: base, adapted)
        }
        control.pair = pair
        let finding = [base.record, adapted.record], both = finding + (pair.map { [$0.base.record, $0.adapted.record] } ?? [])
        control.all = try concepts.commonImages(of: finding, label: label, images: images).count
        guard control.isAutomatic else {
            control.images = try concepts.commonImages(of: both, label: label, images: images)
            control.wanted = control.all
            control.isUsable = 2 * control.images.count >= control.wanted
            return control
        }
        if base.record.id == adapted.record.id {
            control.reason = "none is needed, both views see the same"
        } else if ingest.controls.imagesMax == 0 {
            control.reason = "none (controls.images is 0); saectl sae random NAME --like \(adapted.sae.name) makes one of random directions"
        } else if let trouble = ingest.controls.trouble(of: adapted.sae) {
            control.reason = "random directions can't be made: \(trouble)"
        }
        guard control.reason == nil else { return control }
        let sample = Set(ingest.controls.sample), asked = images.map(sample.intersection) ?? sample
        control.wanted = try concepts.commonImages(of: finding, label: label, images: asked).count
        guard pair != nil else { return control }
        control.images = try concepts.commonImages(of: both, label: label, images: asked)
        // Of the whole sample: a class has few images of it.
        control.isUsable = try 2 * concepts.commonImages(of: both, images: sample).count >= concepts.commonImages(of: finding, images: sample).count
        return control
    }

    /// The same for a finding on one image.
    func control(of base: ViewPlan, _ adapted: ViewPlan, image: ImageRecord) throws -> FindingControl {
        try control(of: base, adapted, named: "", images: [image.id])
    }

    private func automaticControl(of base: ViewPlan, _ adapted: ViewPlan) -> (base: ViewPlan, adapted: ViewPlan)? {
        let plans = registry.automaticViews.filter { $0.model.id == adapted.model.id && $0.isControl(of: adapted) }
        guard let first = plans.first(where: { $0.adapter.record.id == base.adapter.record.id }),
            let second = plans.first(where: { $0.adapter.record.id == adapted.adapter.record.id && $0.sae.id == first.sae.id })
        else { return nil }
        return (first, second)
    }

    /// The pair of views under an SAE of random directions that someone made, where there is one for the views' SAE.
    private func controlMadeByHand(of base: ViewPlan, _ adapted: ViewPlan, named name: String) throws -> (base: ViewPlan, adapted: ViewPlan)? {
        let plans = registry.views
        func isControl(_ plan: ViewPlan) -> Bool {
            plan.model.id == adapted.model.id && plan.hook == adapted.hook
                && (name.isEmpty ? SAEFacts(json: plan.sae.config)?.controlOf == adapted.sae.name : plan.sae.name == name)
        }
        let found = plans.first { isControl($0) && $0.adapter.record.id == adapted.adapter.record.id }
        if !name.isEmpty, let found, SAEFacts(json: found.sae.config)?.controlOf == nil {
            throw WireFailure(.invalidArgument, "SAE '\(name)' is no control: it was not made of random directions", remedy: "make one: saectl sae random NAME --like \(adapted.sae.name)")
        }
        guard let found, let other = plans.first(where: { $0.sae.id == found.sae.id && $0.adapter.record.id == base.adapter.record.id }) else {
            guard name.isEmpty else {
                throw WireFailure(.notFound, "model '\(adapted.model.name)' has no SAE called '\(name)' at \(adapted.hook)", remedy: "make one: saectl sae random \(name) --like \(adapted.sae.name)")
            }
            return nil
        }
        return (other, found)
    }
}
