//! Lists that come in, and what goes on of them.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn passed_on(why: &str, list: &str, want: Result<&str, TracestateError>) {
    let got = check(list.as_bytes()).map(|it| String::from_utf8(it.into_owned()).unwrap());
    assert_eq!(got, want.map(str::to_owned), "{why}");
}

#[test]
fn reads_only_what_the_grammar_allows() {
    use TracestateError as E;
    let long = "k".repeat(256);
    let max_key = format!("{long}=v");
    let max_value = format!("k={long}");
    for (why, list, want) in [
        ("one member", "rojo=00f067aa0ba902b7", Ok("rojo=00f067aa0ba902b7")),
        ("two", "rojo=1,congo=t61rcWkgMzE", Ok("rojo=1,congo=t61rcWkgMzE")),
        ("tenants", "fw529a3039@dt=FfAbJ,a@b@c=1", Ok("fw529a3039@dt=FfAbJ,a@b@c=1")),
        ("a digit first", "1a=2", Ok("1a=2")),
        ("every key character", "a_-*/@0=1", Ok("a_-*/@0=1")),
        ("white space stays", "a=1 ,\t b=2", Ok("a=1 ,\t b=2")),
        ("a space inside a value", "a=b c", Ok("a=b c")),
        ("empty members", "a=1,,b=2,", Ok("a=1,,b=2,")),
        ("nothing", "", Ok("")),
        ("only white space", " \t,", Ok("")),
        ("the longest key", &max_key, Ok(&max_key)),
        ("the longest value", &max_value, Ok(&max_value)),
        ("upper case in a key", "Rojo=1", Err(E::Key)),
        ("an at sign first", "@a=1", Err(E::Key)),
        ("a space before the equals sign", "a =1", Err(E::Key)),
        ("no key", "=1", Err(E::Key)),
        ("no equals sign", "a", Err(E::Key)),
        ("no value", "a=", Err(E::Value)),
        ("two equals signs", "a=b=c", Err(E::Value)),
        ("a control character", "a=b\u{1}c", Err(E::Value)),
        ("not ASCII", "a=é", Err(E::Value)),
        ("the same key twice", "a=1,b=2,a=3", Err(E::Duplicate)),
    ] {
        passed_on(why, list, want);
    }
    passed_on("a key too long", &format!("k{long}=v"), Err(E::Key));
    passed_on("a value too long", &format!("k=v{long}"), Err(E::Value));
}

#[test]
fn evicts_as_the_specification_says() {
    let members = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
    passed_on("32 members stay", &members(32), Ok(&members(32)));
    passed_on("the 33rd goes", &members(33), Ok(&members(32)));

    let large = format!("large={}", "x".repeat(150));
    let fill = format!("fill={},end={}", "y".repeat(120), "z".repeat(110));
    passed_on(
        "512 bytes and less stay",
        &format!("{large},{fill}"),
        Ok(&format!("{large},{fill}")),
    );
    let more = format!("{large},{fill},c={},d={}", "c".repeat(120), "d".repeat(20));
    let want = format!("{fill},c={},d={}", "c".repeat(120), "d".repeat(20));
    passed_on("large members go first", &more, Ok(&want));
    let small: Vec<String> = (0..6).map(|i| format!("{i}={}", "s".repeat(98))).collect();
    passed_on("then from the end", &small.join(","), Ok(&small[..5].join(",")));
}

#[test]
fn a_member_is_found_by_its_whole_key() {
    for (why, list, want) in [
        ("the first", "ot=th:8,a=1", Some("th:8")),
        ("between others", "b=2,ot=th:8,a=1", Some("th:8")),
        ("with white space", "b=2 ,\t ot=th:8 \t,", Some("th:8")),
        ("a space in front belongs to the value", "ot= th:8", Some(" th:8")),
        ("no other key that begins so", "ot2=1,o=2,xot=3,ot@t=4", None),
        ("no value", "a=ot", None),
        ("nothing", "", None),
    ] {
        let want = want.map(str::as_bytes);
        assert_eq!(get(list.as_bytes(), "ot"), want, "{why}");
    }
}

fn text(list: Cow<'_, [u8]>) -> String {
    String::from_utf8(list.into_owned()).unwrap()
}

#[test]
fn a_member_that_goes_takes_its_comma_along() {
    for (why, list, want) in [
        ("the first", "ot=1,a=1,b=2", "a=1,b=2"),
        ("between others", "a=1 , ot=1,b=2", "a=1,b=2"),
        ("the last", "a=1,b=2,ot=1", "a=1,b=2"),
        ("empty members", "a=1,,ot=1,b=2,", "a=1,b=2"),
        ("the only one", " ot=1", ""),
    ] {
        assert_eq!(text(without(list.as_bytes().into(), "ot")), want, "{why}");
    }
}

#[test]
fn a_member_that_is_put_stands_first() {
    let full = (0..32).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join(",");
    let first_31 = full.strip_suffix(",k31=v").unwrap();
    let large = format!("l={}", "x".repeat(200));
    let small: Vec<String> = (0..5).map(|it| format!("{it}={}", "s".repeat(98))).collect();
    let value = "v".repeat(200);
    for (why, list, value, want) in [
        ("alone", "", "v", "ot=v".to_owned()),
        ("before others", "a=1 , b=2", "v", "ot=v,a=1,b=2".to_owned()),
        ("instead of what it was", "a=1,ot=1,b=2", "v", "ot=v,a=1,b=2".to_owned()),
        ("the right-most goes", &full, "v", format!("ot=v,{first_31}")),
        ("none goes for a change", &full.replace("k31", "ot"), "w", format!("ot=w,{first_31}")),
        (
            "others go: first large ones",
            &[&large, "a=1", &small.join(",")].concat().replace("a=1", ",a=1,"),
            "v",
            format!("ot=v,a=1,{}", small[..4].join(",")),
        ),
        (
            "this one stays, large as it is",
            &[&large[..], &small[..2].join(",")].join(","),
            &value,
            format!("ot={value},{}", small[..2].join(",")),
        ),
        ("not what no value is", "a=1,ot=1", "a,b", "a=1".to_owned()),
        ("nor a space at its end", "a=1,ot=1", "a ", "a=1".to_owned()),
        ("nor nothing", "a=1,ot=1", "", "a=1".to_owned()),
        ("nor too much", "a=1", &"v".repeat(257), "a=1".to_owned()),
    ] {
        let got = text(with(list.as_bytes().into(), "ot", value.as_bytes()));
        assert_eq!(got, want, "{why}");
        assert_eq!(check(got.as_bytes()), Ok(Cow::Borrowed(got.as_bytes())), "{why}");
    }
    let long_key = "k".repeat(256);
    assert_eq!(text(with(b"a=1".into(), &long_key, &[b'v'; 256])), "a=1", "more than a list holds");
}

#[test]
fn what_would_change_nothing_copies_nothing() {
    let list = b" a=1, b=2,".as_slice();
    let same = |it: Cow<'_, [u8]>| matches!(it, Cow::Borrowed(it) if std::ptr::eq(it, list));
    assert!(same(without(list.into(), "ot")));
    assert!(same(without(list.into(), "1")));
    assert!(same(with(list.into(), "b", b"2")));
    assert!(!same(with(list.into(), "b", b"1")));
}

/// A second reader, written for clearness: members of a list by the ABNF, word by word.
fn naive(list: &str) -> Option<Vec<(String, String)>> {
    let mut members: Vec<(String, String)> = Vec::new();
    for member in list.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let mut chars = key.chars();
        let first = chars.next()?;
        let good = (first.is_ascii_lowercase() || first.is_ascii_digit())
            && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/@".contains(c))
            && key.len() <= 256
            && (1..=256).contains(&value.len())
            && value.chars().all(|c| (' '..='~').contains(&c) && c != ',' && c != '=');
        if !good || members.iter().any(|(it, _)| it == key) {
            return None;
        }
        members.push((key.to_owned(), value.to_owned()));
    }
    Some(members)
}

proptest! {
    #[test]
    fn check_agrees_with_a_naive_reader(list in "([ab1@A_]{0,3}(=[xy =é]{0,4})?[, \t]{0,2}){0,6}") {
        let got = check(list.as_bytes());
        match naive(&list) {
            None => prop_assert!(got.is_err()),
            Some(members) if members.is_empty() => prop_assert_eq!(got, Ok(Cow::Borrowed(&b""[..]))),
            Some(_) => prop_assert_eq!(got, Ok(Cow::Borrowed(list.as_bytes()))),
        }
    }

    #[test]
    fn what_goes_on_is_a_valid_beginning_of_what_came(
        list in "([a-z]{1,4}[0-9]{1,3}=[!-+]{1,200},){0,50}",
    ) {
        if let Ok(out) = check(list.as_bytes()) {
            prop_assert!(out.len() <= MAX_LEN);
            let kept = naive(std::str::from_utf8(&out).unwrap()).unwrap();
            prop_assert!(kept.len() <= MAX_MEMBERS);
            let all: Vec<_> = list.split(',').filter(|it| !it.is_empty()).collect();
            let mut rest = all.iter();
            for (key, value) in kept {
                let member = format!("{key}={value}");
                prop_assert!(rest.any(|it| **it == member), "order is kept");
            }
        }
    }

    #[test]
    fn a_change_leaves_the_others_as_they_were(
        came in prop::collection::btree_map("[a-z]{1,2}", "[!-+]{1,60}", 0..40),
        key in "[a-z]{1,2}",
        value in "[!-+]{1,200}",
    ) {
        let list: String = came.iter().map(|(key, value)| format!("{key}={value} ,\t")).collect();
        let list = check(list.as_bytes()).unwrap();
        let came = naive(std::str::from_utf8(&list).unwrap()).unwrap();
        let others: Vec<_> = came.iter().filter(|(it, _)| *it != key).cloned().collect();
        let before = came.iter().find(|(it, _)| *it == key).map(|(_, value)| value.as_bytes());
        prop_assert_eq!(get(&list, &key), before);

        let less = text(without(list.clone(), &key));
        prop_assert_eq!(naive(&less).unwrap(), others.clone());

        let more = text(with(list, &key, value.as_bytes()));
        prop_assert_eq!(check(more.as_bytes()), Ok(Cow::Borrowed(more.as_bytes())));
        prop_assert!(more.len() <= MAX_LEN);
        let went = naive(&more).unwrap();
        prop_assert_eq!(&went[0], &(key, value));
        let mut rest = others.iter();
        prop_assert!(went[1..].iter().all(|it| rest.any(|other| other == it)), "order is kept");
        let short = others.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>();
        if others.len() < MAX_MEMBERS && short + went[0].0.len() + went[0].1.len() < MAX_LEN {
            prop_assert_eq!(went.len(), others.len() + 1, "all of them");
        }
    }
}
