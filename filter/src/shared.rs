//! What the workers of a process share, as core wants it.

use crate::host::{self, Status};
use hopspan_core::shared::{Shared, Written};

/// The host's shared data: of the process, apart by the `vm_id` of VMs.
#[derive(Debug)]
pub(crate) struct SharedData;

impl Shared for SharedData {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, u32)> {
        host::shared_data(key)
    }

    fn set(&mut self, key: &str, value: &[u8], cas: u32) -> Written {
        match host::set_shared_data(key, value, cas) {
            Status::OK => Written::Done,
            Status::CAS_MISMATCH => Written::Raced,
            _ => Written::Failed,
        }
    }
}
