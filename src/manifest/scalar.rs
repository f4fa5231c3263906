//! Scalars: what a scalar's text means to Kubernetes.
//!
//! Kubernetes reads YAML through `sigs.k8s.io/yaml`, which is go-yaml v2 and so YAML 1.1: `yes` and
//! `on` are booleans, `0644` is octal (`spec/yaml.md` §1.1; go-yaml v2 `resolve.go`).

use granit_parser::ScalarStyle;
use serde_json::{Number, Value};

/// The value of a scalar.
pub(crate) fn resolve(text: &str, style: ScalarStyle, tag: Option<&str>) -> Value {
    match tag.map(|tag| tag.strip_prefix("tag:yaml.org,2002:").unwrap_or("str")) {
        Some("str" | "binary" | "timestamp") => return Value::from(text),
        Some("!") => return Value::from(text),
        Some(_) => {}
        None if style != ScalarStyle::Plain => return Value::from(text),
        None => {}
    }
    plain(text)
}

/// Whether a plain scalar of this text is a string to readers of YAML 1.1 and 1.2 alike.
pub(crate) fn is_plain_string(text: &str) -> bool {
    let first = text.as_bytes().first();
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-~+".contains(&byte);
    first.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"./_".contains(byte))
        && text.bytes().all(safe)
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && plain(text).is_string()
        && !looks_like_a_date(text)
}

/// YAML 1.1 timestamps begin with a year; so does nothing that need be plain.
fn looks_like_a_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

/// The number that a plain scalar is.
fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| {
        let value = is_float(&digits).then(|| digits.parse::<f64>().ok())??;
        Number::from_f64(value)
    })
}

/// Go's `strconv.ParseInt` with base 0: the prefix tells the base, a leading zero octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(Number::from(magnitude))
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    exponent_fits && mantissa_fits
}

#[cfg(test)]
mod tests {
    use granit_parser::ScalarStyle;
    use serde_json::{Value, json};

    use super::{is_plain_string, resolve};

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(
            resolve(text, ScalarStyle::Plain, None),
            expected,
            "plain {text:?}"
        );
        let quoted = resolve(text, ScalarStyle::DoubleQuoted, None);
        assert_eq!(quoted, json!(text), "quoted {text:?}");
        let tagged = resolve(text, ScalarStyle::Plain, Some("tag:yaml.org,2002:str"));
        assert_eq!(tagged, json!(text), "tagged {text:?}");
    }

    #[test]
    fn plain_scalars_read_as_go_yaml_reads_them() {
        for text in ["", "~", "null"] {
            check(text, json!(null));
        }
        for text in ["yes", "on", "y", "true", "On"] {
            check(text, json!(true));
        }
        for text in ["no", "off", "n", "False"] {
            check(text, json!(false));
        }
        check("0644", json!(420));
        check("0o644", json!(420));
        check("0x1F", json!(31));
        check("-7", json!(-7));
        check("1_000", json!(1000));
        check("1.5", json!(1.5));
        check("1e3", json!(1000.0));
        check("089", json!(89.0));
        for text in [
            "cart",
            "992e18698",
            "1.27.3",
            "2026-11-20T09:00:00Z",
            "+",
            ".",
            "0x",
            "--1",
        ] {
            check(text, json!(text));
        }
    }

    #[test]
    fn what_may_stay_plain_is_a_string_everywhere() {
        for text in ["1.27.3/default/1.9f2c41", "-x", "cart-v1", "meshroll.dev/x"] {
            assert_eq!(is_plain_string(text), text != "-x", "{text}");
        }
        for text in [
            "yes",
            "12",
            "1e3",
            "2026-11-20T09:00:00Z",
            "a: b",
            "a #b",
            "",
        ] {
            assert!(!is_plain_string(text), "{text}");
        }
    }
}
