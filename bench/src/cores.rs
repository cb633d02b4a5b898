//! Which core does what: the proxy has one for itself, as far as a machine lets it.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use, the first for the proxy and the others for what is
/// around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    proxy: CpuSet,
    /// The same where there is only one.
    around: CpuSet,
    /// The number of the proxy's.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) count: u32,
}

impl Cores {
    /// Those of this thread, which is around the proxy from now on, with the threads that it
    /// starts.
    ///
    /// # Errors
    ///
    /// The system does not tell, or does not let it.
    pub(crate) fn claim() -> Result<Self, String> {
        let all = sched_getaffinity(None).map_err(|error| format!("affinity: {error}"))?;
        let first = (0..CpuSet::MAX_CPU).find(|it| all.is_set(*it)).ok_or("there is no core")?;
        let (mut proxy, mut around) = (CpuSet::new(), all);
        proxy.set(first);
        if all.count() > 1 {
            around.unset(first);
        }
        let cores = Self { proxy, around, first, count: all.count() };
        cores.on_the_proxys(|| ())?;
        Ok(cores)
    }

    /// Does something, such as starting a process, on the core of the proxy; this thread is
    /// around it before and after.
    pub(crate) fn on_the_proxys<T>(&self, start: impl FnOnce() -> T) -> Result<T, String> {
        let pin = |cores| sched_setaffinity(None, cores).map_err(|error| format!("pin: {error}"));
        pin(&self.proxy)?;
        let started = start();
        pin(&self.around)?;
        Ok(started)
    }
}
