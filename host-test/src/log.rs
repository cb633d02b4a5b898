//! What modules log.

use crate::abi::Level;
use crate::vm::VmName;
use std::fmt;

/// One line that a module logged, by `proxy_log` or by writing to its standard output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// The VM that said it.
    pub vm: VmName,
    /// How bad it is.
    pub level: Level,
    /// The text; bytes that are not UTF-8 are shown as U+FFFD.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] [{}] {}", self.vm, self.level, self.text)
    }
}

/// All lines at or above a level, as Envoy keeps them.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) level: Level,
    pub(crate) lines: Vec<LogLine>,
}

impl Log {
    pub(crate) fn write(&mut self, vm: VmName, level: Level, text: &[u8]) {
        if level >= self.level {
            let text = String::from_utf8_lossy(text).into_owned();
            self.lines.push(LogLine { vm, level, text });
        }
    }
}
