use super::super::tests::naive;
use super::*;
use proptest::prelude::*;

fn of(path: &str) -> Option<String> {
    Some(String::from_utf8(shape(path.as_bytes())?).unwrap())
}

#[test]
fn values_go_and_words_stay() {
    for (why, path, want) in [
        ("the root", "/", "/"),
        ("words", "/checkout/cart", "/checkout/cart"),
        ("a version", "/api/v1/v2beta1", "/api/v1/v2beta1"),
        ("a file", "/openapi.json", "/openapi.json"),
        ("a version with dots", "/jquery-3.6.0.min.js", "/jquery-3.6.0.min.js"),
        ("a name of many words", "/getting-started-with-http2", "/getting-started-with-http2"),
        ("a method's name", "/GetUserProfileByIdentifier", "/GetUserProfileByIdentifier"),
        ("one of short words", "/getAllByUserIdAndName", "/getAllByUserIdAndName"),
        ("one with digits", "/Base64EncodedSha256Digest", "/Base64EncodedSha256Digest"),
        ("a service's name", "/createOAuth2ClientCredentials", "/createOAuth2ClientCredentials"),
        ("a product", "/ipad-9th-gen-a13-2021-64gb", "/ipad-9th-gen-a13-2021-64gb"),
        ("short words of a to f", "/cafe/decade/facade", "/cafe/decade/facade"),
        ("a long one with a digit", "/face2face", "/face2face"),
        ("nothing, several times", "//a//", "//a//"),
        ("other signs", "/~me/a+b/a,b/@scope/pkg@1.3.0", "/~me/a+b/a,b/@scope/pkg@1.3.0"),
        ("a template that nobody filled in", "/users/{id}", "/users/{id}"),
        ("other scripts", "/caf%C3%A9/%E4%BD%A0", "/caf%C3%A9/%E4%BD%A0"),
        ("a number", "/users/42", "/users/{number}"),
        ("a long one", "/2/18446744073709551616", "/{number}/{number}"),
        ("a number in a file's name", "/img/7.jpg", "/img/{number}.jpg"),
        ("not below zero", "/-1", "/-1"),
        ("a UUID", "/o/550e8400-e29b-41d4-a716-446655440000", "/o/{uuid}"),
        ("in capitals", "/o/550E8400-E29B-41D4-A716-446655440000", "/o/{uuid}"),
        (
            "words of its letters",
            "/facadede-cafe-babe-dead-facadecafeba",
            "/facadede-cafe-babe-dead-facadecafeba",
        ),
        ("a file of that name", "/550e8400-e29b-41d4-a716-446655440000.png", "/{uuid}.png"),
        ("not quite one", "/55-e8400-e29b-41d4-a716", "/{base64}"),
        ("a date", "/2024-02-29", "/{date}"),
        ("a month", "/2024-02", "/{date}"),
        ("a date and time", "/2024-02-29T23:59:59.999Z", "/{date}"),
        ("with an offset", "/2024-02-29T23:59:59-07:00", "/{date}"),
        ("encoded", "/2024-02-29T23%3A59%3A59%2B02%3A00", "/{date}"),
        ("a report of a day", "/2024-02-29.csv", "/{date}.csv"),
        ("no such month", "/2024-13-01", "/2024-13-01"),
        ("no such day", "/2024-12-32", "/2024-12-32"),
        ("no month 0", "/2024-00", "/2024-00"),
        ("a range", "/2024-02-29x", "/2024-02-29x"),
        ("a time without time", "/2024-02-29T", "/2024-02-29T"),
        ("a commit", "/commit/4fc2cf5a9", "/commit/{hex}"),
        ("a digest in capitals", "/DA39A3EE5E6B4B0D3255BFEF95601890", "/{hex}"),
        ("an account", "/0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe", "/{hex}"),
        ("an object id", "/507f1f77bcf86cd799439011", "/{hex}"),
        ("its file", "/507f1f77bcf86cd799439011.json", "/{hex}.json"),
        ("a word of its letters", "/deadbeef", "/deadbeef"),
        ("too short", "/4fc2cf5", "/4fc2cf5"),
        ("an address", "/users/jo.doe+x@mail.example.com", "/users/{email}"),
        ("encoded", "/users/jo%40example.com/mail", "/users/{email}/mail"),
        ("of nobody", "/@example.com", "/@example.com"),
        ("without a domain", "/jo@example", "/jo@example"),
        ("of a host by number", "/jo@10.0.0.7", "/jo@10.0.0.7"),
        ("with an empty label", "/jo@a..com", "/jo@a..com"),
        ("with two signs", "/jo@a@b.com", "/jo@a@b.com"),
        ("random bytes", "/t/V1StGXR8_Z5jdHi6B-myT", "/t/{base64}"),
        ("a token with its maker", "/pi_3MtwBwLkdIwHu7ix28a3tqPa", "/{base64}"),
        ("a ULID", "/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/{base64}"),
        ("a cuid", "/cjld2cjxh0000qzrmn831i7rn", "/{base64}"),
        ("without digits", "/hQzWbKfTgYpLsXcVnMjR", "/{base64}"),
        ("a pod", "/cart-service-7d9f8b6c5-x2z4q", "/{base64}"),
        ("padded", "/YWJjZA==/Zm9vYmE%3D", "/{base64}/{base64}"),
        ("with a slash in it", "/aGk%2Fhb8%2BeFmZ0x9Yw1q", "/{base64}"),
        (
            "a JWT",
            "/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
            "/{base64}",
        ),
        ("too short to tell", "/dQw4w9WgXcQ", "/dQw4w9WgXcQ"),
        ("a setting", "/colour=red", "/colour=red"),
        ("padded too far", "/abcde===", "/abcde==="),
        ("padded to no four", "/YWJjZA=", "/YWJjZA="),
        ("a session", "/cart;jsessionid=1A2B3C", "/cart"),
        ("a value with parameters", "/map/7;zoom=3/x", "/map/{number}/x"),
        ("a broken code", "/100%/%zz/%4", "/100%/%zz/%4"),
    ] {
        assert_eq!(of(path).as_deref(), Some(want), "{why}");
        let naive = naive::shape(path.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(naive).unwrap(), want, "{why}: the second reader");
    }
}

#[test]
fn what_is_no_path_has_no_shape() {
    for path in ["", "*", "shop:443", "http://shop/cart"] {
        assert_eq!(of(path), None, "{path}");
    }
}

#[test]
fn a_shape_is_short_whatever_the_path_is() {
    let word = |length: usize| "x".repeat(length);
    for (why, path, want) in [
        ("twelve segments", "/a".repeat(12), "/a".repeat(12)),
        ("more", "/a".repeat(99), format!("{}/*", "/a".repeat(12))),
        (
            "not even an empty one",
            format!("{}/", "/a".repeat(12)),
            format!("{}/*", "/a".repeat(12)),
        ),
        ("a word that just fits", format!("/{}", word(197)), format!("/{}", word(197))),
        ("one that does not", format!("/{}/b", word(198)), "/*".to_owned()),
        ("behind another", format!("/a/{}/b", word(300)), "/a/*".to_owned()),
        (
            "a value may be of any length",
            format!("/{}/b", "7".repeat(9000)),
            "/{number}/b".to_owned(),
        ),
    ] {
        assert_eq!(of(&path), Some(want), "{why}");
    }
}

/// Tokens of all the usual alphabets; a few that look like words cost a place in the table.
#[test]
fn nearly_all_random_tokens_are_told_from_words() {
    const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const HEX: &[u8] = b"0123456789abcdef";
    let mut state = 7_u64;
    let mut random = |alphabet: &[u8]| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
    };
    for (why, alphabet, length, most_missed) in [
        ("16 random bytes", BASE64URL, 22, 250),
        ("32", BASE64URL, 43, 20),
        ("ULIDs", CROCKFORD, 26, 60),
        ("cuids", BASE36, 25, 150),
        ("short hashes", HEX, 8, 100),
        ("object ids", HEX, 24, 0),
    ] {
        let mut missed = 0;
        for _ in 0..10_000 {
            let token: Vec<u8> = (0..length).map(|_| random(alphabet)).collect();
            let path = [b"/", &token[..]].concat();
            missed += usize::from(shape(&path).unwrap() == path);
        }
        assert!(missed <= most_missed, "{why}: {missed} of 10000 look like words");
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_reader(path in "(/[-aB3f0%@.;=_~]{0,20}){0,4}") {
        prop_assert_eq!(shape(path.as_bytes()), naive::shape(path.as_bytes()));
    }

    #[test]
    fn agrees_about_values(path in "(/([0-9]{1,4}|[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-9:]{0,4})?|\
            [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{11,12}|(0x)?[0-9a-fA-F]{7,9}|[a-z]{0,2}%40x\\.(com|c0m)|\
            [A-Za-z0-9+_-]{14,24}={0,3})(\\.[a-z0-9]{1,6})?){1,4}") {
        prop_assert_eq!(shape(path.as_bytes()), naive::shape(path.as_bytes()));
    }

    #[test]
    fn any_bytes_have_one_short_shape_which_is_its_own(path: Vec<u8>) {
        let path = [b"/", &path[..]].concat();
        let it = shape(&path).unwrap();
        prop_assert_eq!(&it, &naive::shape(&path).unwrap());
        prop_assert!(it.len() <= LONGEST && it.split(|&b| b == b'/').count() <= SEGMENTS + 2);
        prop_assert_eq!(shape(&it).unwrap(), it);
    }
}
