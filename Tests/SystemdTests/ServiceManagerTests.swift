// What goes over $NOTIFY_SOCKET, as sd_notify(3) of systemd 252 describes it. What reads or sets the environment runs
// in a process of its own: the environment is the whole process's.

import Glibc
import Systemd
import Testing

@Suite struct ServiceManagerTests {
    @Test func noticesArriveInOneDatagram() async {
        await #expect(processExitsWith: .success) {
            let manager = try Manager()
            setenv("NOTIFY_SOCKET", manager.path, 1)
            #expect(ServiceManager.isPresent)
            #expect(ServiceManager.notify(.ready, .status("3 views, 12 queued")))
            #expect(manager.next() == "READY=1\nSTATUS=3 views, 12 queued")
            #expect(ServiceManager.notify(.stopping))
            #expect(manager.next() == "STOPPING=1")
        }
    }

    @Test func reloadingCarriesTheManagersClock() async {
        await #expect(processExitsWith: .success) {
            let manager = try Manager()
            setenv("NOTIFY_SOCKET", manager.path, 1)
            func now() -> UInt64 {
                var time = timespec()
                clock_gettime(CLOCK_MONOTONIC, &time)
                return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
            }
            let before = now()
            ServiceManager.notify(.reloading)
            let lines = try #require(manager.next()).split(separator: "\n")
            #expect(lines.first == "RELOADING=1" && lines.count == 2)
            let told = try #require(lines.last?.split(separator: "=").last.flatMap { UInt64($0) })
            #expect(before <= told && told <= now())
        }
    }

    @Test func withoutAManagerNothingIsSent() async {
        await #expect(processExitsWith: .success) {
            for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] { unsetenv(variable) }
            #expect(!ServiceManager.isPresent)
            #expect(!ServiceManager.notify(.ready))
            #expect(ServiceManager.watchdogInterval == nil)
            #expect(Watchdog() == nil)
            let sockets = try InheritedSocket.take()
            #expect(sockets.isEmpty)
            // A manager that is gone is no error of ours either.
            setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1)
            #expect(!ServiceManager.notify(.ready))
        }
    }

    @Test func watchdogIntervalIsOursOnly() async {
        await #expect(processExitsWith: .success) {
            setenv("WATCHDOG_USEC", "180000000", 1)
            setenv("WATCHDOG_PID", "\(getpid())", 1)
            #expect(ServiceManager.watchdogInterval == .seconds(180))
            // A child inherits the variables of its parent, who is meant.
            setenv("WATCHDOG_PID", "\(getppid())", 1)
            #expect(ServiceManager.watchdogInterval == nil)
            setenv("WATCHDOG_PID", "\(getpid())", 1)
            setenv("WATCHDOG_USEC", "0", 1)
            #expect(ServiceManager.watchdogInterval == nil)
        }
    }

    @Test func statusCannotForgeAnAssignment() {
        #expect(ServiceManager.message([.status("a\nREADY=1\r\0b")], monotonicMicroseconds: 0) == "STATUS=a READY=1  b")
    }

    @Test func everyNoticeIsSpelledAsDocumented() {
        let message = ServiceManager.message(
            [.ready, .reloading, .stopping, .status(""), .alive, .extendTimeout(.seconds(90)), .extendTimeout(.seconds(-1))],
            monotonicMicroseconds: 7)
        #expect(
            message == "READY=1\nRELOADING=1\nMONOTONIC_USEC=7\nSTOPPING=1\nSTATUS=\nWATCHDOG=1\n"
                + "EXTEND_TIMEOUT_USEC=90000000\nEXTEND_TIMEOUT_USEC=0")
    }
}

@Suite struct WatchdogTests {
    @Test func feedingManyTimesTellsFewTimes() {
        let told = Counter()
        let watchdog = Watchdog(interval: .seconds(30)) { told.add() }
        let start = ContinuousClock.now
        #expect(watchdog.pause == .seconds(10))
        // 60 s of a sign of life every 100 ms: told once at first and then every 5 s.
        for tick in 0...600 { watchdog.feed(at: start + .milliseconds(100 * tick)) }
        #expect(told.value == 13)
    }

    @Test func aWorkerThatFeedsAtItsPauseIsInTime() {
        let told = Counter()
        let watchdog = Watchdog(interval: .seconds(30)) { told.add() }
        let start = ContinuousClock.now
        for tick in 0...3 { watchdog.feed(at: start + watchdog.pause * tick) }
        #expect(told.value == 4)
    }

    @Test func ofManyThreadsOneTells() async {
        let told = Counter()
        let watchdog = Watchdog(interval: .seconds(30)) { told.add() }
        let time = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<16 { group.addTask { for _ in 0..<1000 { watchdog.feed(at: time) } } }
        }
        #expect(told.value == 1)
    }

    @Test func signsOfLifeReachTheManager() async {
        await #expect(processExitsWith: .success) {
            let manager = try Manager()
            setenv("NOTIFY_SOCKET", manager.path, 1)
            setenv("WATCHDOG_USEC", "3000000", 1)
            let watchdog = try #require(Watchdog())
            watchdog.feed()
            #expect(manager.next() == "WATCHDOG=1")
        }
    }
}
