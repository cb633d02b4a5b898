//! Collectors that fail, under traffic that must not notice, and what became of each span.

mod answers;
mod endings;
mod heirs;
mod outages;
mod overload;
pub(crate) mod trial;

use std::time::Duration;

use self::trial::{Outcome, Trial};
use crate::collector::{Mood, RetryAfter};
