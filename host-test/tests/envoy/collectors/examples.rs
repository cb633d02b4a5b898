//! examples/collectors: the Collector itself says that they are right.

use std::process::Command;

use super::file_named_by;

#[test]
#[ignore = "needs real collectors: ./build.sh test-collectors"]
fn the_collector_accepts_every_example() {
    let otelcol = file_named_by("HOPSPAN_COLLECTOR");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/collectors");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let mut validate = Command::new(&otelcol);
        validate.arg("validate").arg("--config").arg(&path);
        // What their comments ask for.
        for variable in ["OTLP_ENDPOINT", "TRACES", "METRICS"] {
            validate.env(variable, "http://127.0.0.1:4318");
        }
        validate.env("VENDOR_TOKEN", "s3cret").env("SAMPLERS", "samplers.tracing.svc");
        let output = validate.output().expect("the Collector");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
        seen.extend(path.file_stem().map(|it| it.to_string_lossy().into_owned()));
    }
    seen.sort();
    assert_eq!(seen, ["balance", "forward", "sample", "store"]);
}
