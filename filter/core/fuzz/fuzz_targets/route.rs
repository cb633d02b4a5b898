//! The route of a path, judged by second readers that go through everything. An input is lines: a
//! method, a path, and templates.
#![no_main]

use hopspan_core::route::shape::{LONGEST, SEGMENTS, shape};
use hopspan_core::route::template::{Template, Templates};

#[path = "../naive_route.rs"]
mod naive;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|&b| b == b'\n');
    let method = lines.next().unwrap_or_default();
    let path = lines.next().unwrap_or_default();
    let mut texts = Vec::new();
    let mut templates = Vec::new();
    for line in lines {
        let Some(read) = std::str::from_utf8(line).ok().and_then(|it| it.parse::<Template>().ok())
        else {
            continue;
        };
        assert_eq!(read.to_string().as_bytes(), line);
        texts.push(read.to_string());
        templates.push(read);
    }
    let templates: Templates = templates.into_iter().collect();
    let found = templates.find(method, path).map(|it| &**it);
    let naive = naive::find(&texts, method, path).map(|it| texts[it].rsplit(' ').next().unwrap());
    assert_eq!(found, naive);

    let it = shape(path);
    assert_eq!(it, naive::shape(path));
    if let Some(it) = it {
        assert!(it.len() <= LONGEST);
        assert!(it.iter().filter(|&&b| b == b'/').count() <= SEGMENTS + 1);
        assert_eq!(shape(&it).as_ref(), Some(&it), "a shape is its own shape");
    }
});
