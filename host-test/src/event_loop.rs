//! Time passing: ticks, answers and timeouts come when they are due.

use crate::callouts::CallRecord;
use crate::clock::nanos;
use crate::proxy::Proxy;
use crate::vm::Vm;
use std::rc::Rc;
use std::time::Duration;

/// Something that will happen.
enum Event {
    Tick(Vm, u32),
    /// The end of a callout: an answer, or its timeout.
    Callout(Rc<CallRecord>),
}

impl Proxy {
    /// Lets `duration` pass on both clocks and runs what becomes due, in order.
    /// What is overdue already runs at once, so `Duration::ZERO` is useful too.
    pub fn run_for(&self, duration: Duration) {
        let clock = self.clock();
        let end = clock.monotonic_nanos().saturating_add(nanos(duration));
        while let Some((due, event)) = self.next_event().filter(|(due, _)| *due <= end) {
            self.pass_until(due);
            match event {
                Event::Tick(vm, root) => vm.tick_root(root),
                Event::Callout(call) => {
                    let answer = call.take_answer(clock.monotonic_nanos());
                    call.deliver(&self.process, answer);
                }
            }
        }
        self.pass_until(end);
    }

    fn pass_until(&self, time: u64) {
        let ahead = time.saturating_sub(self.clock().monotonic_nanos());
        self.clock().advance(Duration::from_nanos(ahead));
    }

    /// The next that is due, and when by the monotonic clock.
    fn next_event(&self) -> Option<(u64, Event)> {
        let mut events = Vec::new();
        for vm in self.vms().into_iter().filter(|vm| vm.trap().is_none()) {
            vm.guest(|guest| {
                for (id, root) in guest.roots().filter(|(_, root)| root.tick_period > 0) {
                    events.push((root.next_tick, Event::Tick(vm.clone(), id)));
                }
            });
        }
        for call in self.process.callouts.borrow().iter() {
            events.extend(call.due().map(|due| (due, Event::Callout(Rc::clone(call)))));
        }
        events.into_iter().min_by_key(|(due, _)| *due)
    }
}
