//! Both clocks at the end of a request, for little more than the price of one.

use crate::host;
use hopspan_core::time::{Monotonic, Now};
use std::time::Duration;

/// What both clocks said a moment ago; since then the monotonic one tells of both.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    read: Option<Now>,
}

/// After so long the wall clock is looked at again: it may have been put right.
const FRESH: Duration = Duration::from_secs(1);

impl Clock {
    pub(crate) fn now(&mut self) -> Now {
        let mono = host::monotonic();
        let is_fresh = |it: &Now| it.mono <= mono && mono.since(it.mono) < FRESH;
        match self.read.filter(is_fresh) {
            Some(Now { wall, mono: then }) => Now { wall: wall.plus(mono.since(then)), mono },
            None => {
                let now = Now { wall: host::wall(), mono };
                // A clock that fails stands at zero.
                self.read = Some(now).filter(|it| it.mono != Monotonic::default());
                now
            }
        }
    }
}
