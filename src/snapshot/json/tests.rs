//! What is read fast is what serde_json reads.

use std::cell::RefCell;
use std::marker::PhantomData;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{Repeats, read};

/// Reads a text in both ways; tells whether the fast one did.
#[track_caller]
fn check<T: DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) -> bool {
    let Some((value, length)) = read(PhantomData::<T>, text, None) else {
        return false;
    };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let expected = values.next().expect("a value").expect("a valid one");
    assert_eq!(value, expected, "{text}");
    assert_eq!(length, values.byte_offset(), "{text}");
    true
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Typed {
    a: Option<String>,
    b: i64,
    c: Vec<bool>,
    d: Option<u8>,
    e: Value,
}

#[track_caller]
fn check_all(text: &str) -> bool {
    check::<Typed>(text);
    check::<IgnoredAny>(text) | check::<Value>(text)
}

#[test]
fn what_kubectl_prints_is_read() {
    for text in [
        "{}",
        "[ ]",
        "{\n    \"a\": \"b\",\n    \"c\": [\n        1,\n        -2\n    ]\n}\n",
        r#"{"a":"\"\\\/\b\f\n\r\té","e":{"x":[{},[],null,true,false,0,18446744073709551615]}}"#,
        "[\"a text that is longer than sixteen bytes, é and all\",\"\u{7f}\u{1f600}\"] and more",
        "\t\r\n [1] 2",
    ] {
        assert!(check_all(text), "{text}");
        assert!(check::<Value>(text), "{text}");
    }
    assert!(check::<IgnoredAny>("[0.5, 1e9, -0.25E-3, 1.5e+2, -0]"));
}

#[test]
fn what_is_no_json_is_not_read() {
    for text in [
        "",
        "1",
        "\"a\"",
        "{",
        "[1",
        "{]",
        "[}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[01]",
        "[-]",
        "[1.]",
        "[.5]",
        "[1e]",
        "[+1]",
        "[nul]",
        "[truefalse]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[\"\n\"]",
        "[\"\u{1}\"]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u12\"]",
        "[\"\\",
        "[\"a]",
        "[\u{a0}1]",
        "[\u{c}1]",
        "/**/[]",
    ] {
        assert!(!check_all(text), "{text}");
    }
}

#[test]
fn what_is_rare_is_left_to_serde_json() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for text in [
        "[0.5]",
        "[-0]",
        "[18446744073709551616]",
        r#"["\ud800"]"#,
        &deep,
    ] {
        assert!(!check::<Value>(text), "{text}");
    }
}

/// Pieces of JSON, of which a few in a row are now and then valid.
fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => prop_oneof![Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":")],
        2 => prop_oneof![Just("\"a\""), Just("\"b\""), Just("\"c\":"), Just("\"e\":{")],
        2 => prop_oneof![Just(" "), Just("\n        "), Just("\n                                  "), Just("\t")],
        2 => prop_oneof![Just("1"), Just("-7"), Just("0"), Just("2.5"), Just("1e3"), Just("."), Just("-")],
        1 => prop_oneof![Just("true"), Just("false"), Just("null"), Just("\""), Just("\\"), Just("\\n")],
        1 => prop_oneof![Just("é"), Just("\"\\u00e9\""), Just("\"sixteen bytes and\""), Just("\u{0}")],
    ];
    proptest::collection::vec(token, 0..24).prop_map(|tokens| format!("[{}", tokens.concat()))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,20}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Values of which one part is looked at and another is passed over.
#[derive(Debug, PartialEq, Deserialize)]
struct Looked {
    #[serde(default)]
    seen: Value,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_valid(text in text()) {
        check_all(&text);
    }

    #[test]
    fn whatever_is_broken_is_not_read(
        value in value(),
        place in any::<proptest::sample::Index>(),
        by in prop_oneof![any::<char>(), proptest::char::range('\0', '\u{7f}')],
    ) {
        let text = serde_json::to_string_pretty(&[value]).expect("in memory");
        check_all(&text);
        let (index, old) = text.char_indices().nth(place.index(text.chars().count())).expect("inside");
        let (before, after) = text.split_at(index);
        check_all(&format!("{before}{by}{}", &after[old.len_utf8()..]));
        check_all(before);
    }

    #[test]
    fn what_was_seen_before_means_nothing(values in proptest::collection::vec((value(), value(), any::<bool>()), 1..6)) {
        let repeats = RefCell::new(Repeats::default());
        let mut last = Value::Null;
        for (seen, other, repeats_last) in values {
            let passed = if repeats_last { last } else { other };
            let text = serde_json::json!({ "a": passed, "b": [passed], "seen": seen, "z": {} }).to_string();
            let fast = |repeats| read(PhantomData::<Looked>, &text, repeats);
            assert_eq!(fast(Some(&repeats)), fast(None));
            // Of what is cut off nothing is taken for whole.
            let cut = text.get(..text.len() - 2).expect("ASCII");
            assert_eq!(read(PhantomData::<Looked>, cut, Some(&repeats)), None);
            last = passed;
        }
    }
}
