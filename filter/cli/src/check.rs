//! `hopspan check`: hopspan's configuration, and what stands around it in the files of proxies and of
//! Kubernetes.

mod node;
mod yaml;
mod finding;
mod scene;
mod envoy;
mod istio;
mod gateway;
mod higress;
mod files;
mod configuration;
mod rules;
mod report;

use crate::document::Document;
use crate::print;
use clap::Args;
use files::File;
use finding::{Finding, Findings, Rule, Weight};
use rules::Read;
use scene::{Platform, Scene};
use serde_json::Value;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is checked, and how it is told.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Files that belong together, JSON or YAML; - is standard input
    ///
    /// hopspan's configuration alone; an Envoy bootstrap, its listeners, clusters or files for xDS;
    /// manifests of Istio, Envoy Gateway and Higress, and what else is in the same files: services,
    /// config maps, deployments. Clusters of one file are known in all.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON document to standard output: findings, and what each configuration means
    #[arg(long)]
    json: bool,
    /// End with status 1 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

/// Judges files as they would be loaded together.
///
/// # Errors
///
/// A file cannot be read, or nothing be written.
pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    let mut findings = Findings::default();
    let mut files = Vec::new();
    for (number, path) in options.files.iter().enumerate() {
        files.push(File::read(number, Document::open(path)?, &mut findings));
    }
    let mut scene = Scene::default();
    for (number, file) in files.iter().enumerate() {
        file.declare(number, &mut scene);
    }
    let counts: Vec<_> = (0..files.len())
        .map(|number| scene.instances.iter().filter(|it| it.file == number).count())
        .collect();
    files_without(&files, &counts, &mut findings);

    let mut read = Vec::new();
    let mut told = Vec::new();
    for instance in &scene.instances {
        let config = configuration::judge(instance, &mut findings);
        let effective = config.as_ref().map(|it| serde_json::from_str::<Value>(&it.effective));
        told.push((instance, effective.transpose()?));
        read.extend(config.map(|config| Read { instance, config }));
    }
    rules::judge(&scene, &read, &mut findings);
    findings.settle();

    let is_ok = !findings.are_bad(options.deny_warnings);
    if options.json {
        print(&format!("{:#}\n", report::json(&files, &findings, &told, is_ok)))?;
    } else {
        eprint!("{}", report::text(&files, &findings, &counts, has_colour()));
        // A configuration alone is shown as the filter understands it.
        if let [(instance, Some(effective))] = &*told
            && instance.platform == Platform::Bare
        {
            print(&format!("{effective:#}\n"))?;
        }
    }
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says which files have nothing of hopspan's in them: a mistake where none has.
fn files_without(files: &[File], counts: &[usize], findings: &mut Findings) {
    let weight = match counts.iter().all(|it| *it == 0) {
        true => Weight::Problem,
        false => Weight::Note,
    };
    for (number, count) in counts.iter().enumerate() {
        if *count == 0 && files.get(number).is_some_and(File::is_readable) {
            let message = "nothing of hopspan's is in it".to_owned();
            let (rule, file, line, path) = (Rule::File, number, None, String::new());
            findings.all.push(Finding { weight, rule, file, line, path, message });
        }
    }
}

fn has_colour() -> bool {
    let liked = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    liked && io::stderr().is_terminal()
}
