//! The design's invariants that no compiler checks: who may use whom, and what core must not
//! know. Each rule is a function of source text, tried on text that breaks it as well.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot read has failed")]

use std::fs;
use std::path::PathBuf;

const CORE: &str = env!("CARGO_MANIFEST_DIR");

/// What the page of Lens has of it.
const PLAYGROUND: &str = "../../examples/lens/playground/src";

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    code: String,
}

/// All sources below `directory`, tests apart.
fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from(directory)];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).unwrap_or_else(|it| panic!("{directory:?}: {it}"));
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.file_stem().is_some_and(|it| it == "tests") {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let code = code(&fs::read_to_string(&path).expect("a source is text"));
                found.push(Source { path, code });
            }
        }
    }
    assert!(!found.is_empty(), "{directory} has no sources");
    found
}

/// What is compiled into the product: all but the module of tests, without comments.
fn code(source: &str) -> String {
    let (before, tests) = source.split_once("#[cfg(test)]\n").unwrap_or((source, ""));
    let end = if tests.starts_with("mod tests;") { ";" } else { "\n}" };
    let (_, after) = tests.split_once(end).unwrap_or((tests, ""));
    let bare = |line| str::split_once(line, "//").map_or(line, |(code, _)| code);
    before.lines().chain(after.lines()).map(bare).collect::<Vec<_>>().join("\n")
}

/// The identifiers and keywords of some code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|it: char| !it.is_alphanumeric() && it != '_').filter(|it| !it.is_empty())
}

// === Who may use whom ===

/// The modules of lib.rs, in its order.
fn modules(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|it| it.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// The modules of the crate that a file names, as `crate::module` or `crate::{module, ..}`.
/// It lies `depth` modules below the root: so many times `super` leads there, too.
fn uses(code: &str, depth: usize) -> Vec<String> {
    let packed: String = code.split_whitespace().collect();
    let mut found = Vec::new();
    for root in ["crate::", &"super::".repeat(depth)] {
        for rest in packed.split(root).skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => found.extend(members(group)),
                None => found.extend(words(rest).next().map(str::to_owned)),
            }
        }
    }
    found
}

/// The first word of each member of a group of imports, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0_u32;
    for it in group.chars() {
        match it {
            '{' => depth = depth.saturating_add(1),
            '}' if depth == 0 => break,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => members.push(String::new()),
            it => members.last_mut().expect("there is one").push(it),
        }
    }
    members.iter().filter_map(|it| words(it).next()).map(str::to_owned).collect()
}

#[test]
fn a_module_uses_only_those_above_it() {
    let root = format!("{CORE}/src");
    let lib = fs::read_to_string(format!("{root}/lib.rs")).expect("lib.rs");
    let modules = modules(&lib);
    assert!(modules.len() > 10, "{modules:?}");
    let place = |name: &str| modules.iter().position(|it| *it == name);
    let mut wrong = Vec::new();
    for Source { path, code } in sources(&root) {
        let inside = path.strip_prefix(&root).expect("it was found there").with_extension("");
        let own = inside.iter().next().and_then(|it| it.to_str()).expect("a name");
        let above = |used: &str| place(used).is_some_and(|it| Some(it) <= place(own));
        for used in uses(&code, inside.iter().count()) {
            if !above(&used) {
                wrong.push(format!("{}: {used}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these use a module that is not above them in lib.rs: {wrong:#?}");
}

#[test]
fn every_form_of_use_is_seen() {
    for (why, depth, source, want) in [
        ("an import", 1, "use crate::id::TraceId;", &["id"][..]),
        ("a group", 1, "use crate::{id::{A, B}, time::C, trust};", &["id", "time", "trust"]),
        ("a group on lines", 1, "use crate::{\n    id,\n    time,\n};", &["id", "time"]),
        ("two imports", 1, "use crate::id;\nuse crate::time;", &["id", "time"]),
        ("a path in code", 1, "fn a() -> crate::id::TraceId {}", &["id"]),
        ("spaces", 1, "use crate :: id :: A;", &["id"]),
        ("the root by super", 1, "use super::id::A;", &["id"]),
        ("super in code", 1, "fn a(b: super::id::A) {}", &["id"]),
        ("its own parent", 2, "use super::Problem;", &[]),
        ("the root by two supers", 2, "use super::super::id::A;", &["id"]),
        ("not in comments", 1, "// crate::id\n/// [`crate::id`]\nfn a() {}", &[]),
        ("not in tests", 1, "#[cfg(test)]\nmod tests {\n    use crate::id;\n}\n", &[]),
        ("behind tests", 1, "#[cfg(test)]\nmod tests {\n}\nuse crate::id;", &["id"]),
        ("behind a file of tests", 1, "#[cfg(test)]\nmod tests;\nuse crate::id;", &["id"]),
    ] {
        assert_eq!(uses(&code(source), depth), want, "{why}");
    }
}

// === What core must not know ===

/// Words that would make core know a host, ask the time, roll dice or do I/O.
const FOREIGN: [&str; 21] = [
    "HashMap",
    "HashSet",
    "Instant",
    "OsRng",
    "RandomState",
    "SysRng",
    "SystemTime",
    "UNIX_EPOCH",
    "eprintln",
    "extern",
    "fs",
    "getrandom",
    "io",
    "no_mangle",
    "println",
    "process",
    "proxy_wasm",
    "rand",
    "thread",
    "unsafe",
    "wasi",
];

/// How the names of proxy-wasm's host calls and callbacks begin.
const HOST_CALLS: [&str; 14] = [
    "proxy_abi_",
    "proxy_add_",
    "proxy_call_",
    "proxy_close_",
    "proxy_continue_",
    "proxy_define_",
    "proxy_done",
    "proxy_get_",
    "proxy_http_",
    "proxy_increment_",
    "proxy_log",
    "proxy_on_",
    "proxy_record_",
    "proxy_set_",
];

/// What core must not name.
fn foreign(code: &str) -> Vec<&str> {
    let host_call = |it: &str| HOST_CALLS.iter().any(|call| it.starts_with(call));
    // The end of a domain's name is no module.
    let mut found: Vec<_> = code
        .split(".io/")
        .flat_map(words)
        .filter(|it| FOREIGN.contains(it) || host_call(it))
        .collect();
    // `env!` asks the compiler, `std::env` the machine; `core::net` has addresses alone.
    found.extend(["std::env", "std::net", "std::{"].into_iter().filter(|it| code.contains(it)));
    found
}

#[test]
fn core_knows_no_host_no_clock_no_dice_and_no_files() {
    for place in ["src", "../config/src"] {
        for Source { path, code } in sources(&format!("{CORE}/{place}")) {
            assert_eq!(foreign(&code), Vec::<&str>::new(), "{}", path.display());
        }
    }
}

#[test]
fn every_foreign_word_is_seen() {
    for (source, want) in [
        ("let now = std::time::Instant::now();", &["Instant"][..]),
        ("use std::time::SystemTime;", &["SystemTime"]),
        ("std::fs::read(a)", &["fs"]),
        ("use std::net::TcpStream;", &["std::net"]),
        ("std::env::var(\"A\")", &["std::env"]),
        ("use std::{env, time};", &["std::{"]),
        ("std::thread::sleep(a)", &["thread"]),
        ("getrandom::fill(a)", &["getrandom"]),
        ("proxy_get_property(a)", &["proxy_get_property"]),
        ("extern \"C\" { fn proxy_log(); }", &["extern", "proxy_log"]),
        ("unsafe { a() }", &["unsafe"]),
        ("HashMap::new()", &["HashMap"]),
        ("std::io/* why */::stdin(); \"app.kubernetes.io/name\"", &["io"]),
        ("env!(\"A\"); core::net::IpAddr; proxy_time_ns; rand_core; Duration::ZERO", &[]),
    ] {
        assert_eq!(foreign(&code(source)), want, "{source}");
    }
}

// === Who may do what the compiler does not check ===

/// Whether code is unsafe. An attribute that gives a function its name outside is marked so,
/// too, but does nothing of the kind; one that expects a lint may say why in such words.
fn is_unsafe(code: &str) -> bool {
    let harmless = |line: &&str| {
        let line = line.trim();
        line == "#[unsafe(no_mangle)]" || line.starts_with("#![expect(unsafe_code,")
    };
    code.lines().filter(|it| !harmless(it)).flat_map(words).any(|it| it == "unsafe")
}

#[test]
fn only_the_file_of_host_calls_is_unsafe() {
    let filter = format!("{CORE}/../src");
    for place in ["../src", "src", "../config/src", "../explain/src", "../cli/src", PLAYGROUND] {
        for Source { path, code } in sources(&format!("{CORE}/{place}")) {
            let inside = path.strip_prefix(&filter).unwrap_or(&path).with_extension("");
            let host = inside.starts_with("host");
            assert!(host || !is_unsafe(&code), "{} has unsafe code", path.display());
        }
    }
    for (source, want) in [
        ("unsafe { a() }", true),
        ("unsafe fn a() {}", true),
        ("#[unsafe(link_section = \"a\")]", true),
        ("#![expect(unsafe_code, reason = \"no unsafe block\")]", false),
        ("#[unsafe(no_mangle)]\npub extern \"C\" fn a() {}", false),
    ] {
        assert_eq!(is_unsafe(source), want, "{source}");
    }
}

// === Which package may depend on which ===

/// The filter, the command and what explains to it know core and the configuration's reader, which
/// knows core; core knows none of them, but for its tests; host-test knows none of them either, because it
/// judges what comes out with other people's decoders.
#[test]
fn dependencies_point_one_way() {
    for (package, others) in [
        ("filter/core", &["hopspan", "hopspan-cli", "proxy-wasm"][..]),
        ("filter/config", &["hopspan", "hopspan-cli", "proxy-wasm"]),
        ("filter/explain", &["hopspan", "hopspan-cli", "proxy-wasm"]),
        ("filter/cli", &["hopspan", "proxy-wasm"]),
        ("filter", &["hopspan-cli", "proxy-wasm"]),
        (
            "host-test",
            &["hopspan", "hopspan-core", "hopspan-config", "hopspan-explain", "hopspan-cli"],
        ),
    ] {
        let manifest = fs::read_to_string(format!("{CORE}/../../{package}/Cargo.toml"));
        let manifest = manifest.unwrap_or_else(|it| panic!("{package}: {it}"));
        let found = dependencies(&manifest);
        assert!(!found.is_empty(), "{package}");
        for other in others {
            assert!(!found.contains(other), "{package} must not depend on {other}");
        }
    }
}

#[test]
fn every_form_of_a_dependency_is_seen() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\na = \"1\"\nb.workspace = true\n\
                    c = { path = \"c\" }\n[dev-dependencies]\nd=\"1\"\n[lints]\nworkspace = true\n";
    assert_eq!(dependencies(manifest), ["a", "b", "c", "d"]);
}

/// The names in a manifest's tables of dependencies.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        match line.strip_prefix('[') {
            Some(table) => inside = table.contains("dependencies"),
            None if inside => names.extend(line.split(['.', ' ', '=']).next()),
            None => {}
        }
    }
    names.retain(|it| !it.is_empty() && !it.starts_with('#'));
    names
}
