//! What was measured with, and on: figures are of a machine and of an Envoy.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The machine and its Envoy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Machine {
    /// "1.40.0".
    pub(crate) envoy: String,
    /// As Rust calls it.
    pub(crate) architecture: &'static str,
    /// The processor's name for itself.
    cpu: String,
    /// How many cores it has.
    cores: usize,
    /// The release of Linux.
    kernel: String,
}

impl Machine {
    /// This one, with the Envoy at this place.
    ///
    /// # Errors
    ///
    /// That does not run as an Envoy.
    pub(crate) fn this(envoy: &Path) -> Result<Self, String> {
        let output = Command::new(envoy).arg("--version").output();
        let output = output.map_err(|error| format!("{}: {error}", envoy.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = version(&said).ok_or_else(|| format!("no version of Envoy in {said:?}"))?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Ok(Self {
            envoy: version.to_owned(),
            architecture: std::env::consts::ARCH,
            cpu: model(&cpuinfo).unwrap_or("a processor without a name").to_owned(),
            cores: cores(&cpuinfo),
            kernel: kernel.trim().to_owned(),
        })
    }
}

#[cfg(test)]
impl Machine {
    /// Some machine.
    pub(crate) fn example() -> Self {
        Self {
            envoy: "1.40.0".into(),
            architecture: "x86_64",
            cpu: "AMD EPYC".into(),
            cores: 2,
            kernel: "6.1.0".into(),
        }
    }
}

/// "Envoy 1.40.0; 2 cores of AMD EPYC, x86_64; Linux 6.1.0"
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { envoy, architecture, cpu, cores, kernel } = self;
        let cores = if *cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
        write!(f, "Envoy {envoy}; {cores} of {cpu}, {architecture}; Linux {kernel}")
    }
}

/// Envoy says "envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
fn version(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("version: ")?;
    let version = rest.split('/').nth(1)?.split('-').next()?;
    version.starts_with(|it: char| it.is_ascii_digit()).then_some(version)
}

/// Spec: <https://man7.org/linux/man-pages/man5/proc_cpuinfo.5.html>; not on every architecture.
fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim_end())
}

/// All of them: this process may have confined itself to some. At least one it has.
fn cores(cpuinfo: &str) -> usize {
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

#[test]
fn a_version_is_found() {
    for (why, said, want) in [
        ("a release", "\nenvoy  version: 0e8ac7/1.40.0/Clean/RELEASE/BoringSSL\n", Some("1.40.0")),
        ("before one", "envoy  version: 0e8ac7/1.41.0-dev/Clean/RELEASE/BoringSSL", Some("1.41.0")),
        ("something else", "nginx version: nginx", None),
        ("nothing", "", None),
    ] {
        assert_eq!(version(said), want, "{why}");
    }
}

#[test]
fn a_processor_has_cores_and_a_name_or_none() {
    let two = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\n\
               processor\t: 1\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n";
    for (why, cpuinfo, want) in [
        ("x86", two, (2, Some("AMD EPYC"))),
        ("Arm", "processor\t: 0\nBogoMIPS\t: 50.00\n", (1, None)),
        ("unknown", "", (1, None)),
    ] {
        assert_eq!((cores(cpuinfo), model(cpuinfo)), want, "{why}");
    }
}
