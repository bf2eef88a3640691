//! Bytes for eyes and for programs, without letting a key write to the terminal.

use serde_json::{Value, json};

/// How values are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Printable text as it is, anything else as 0x and hexadecimal digits
    #[default]
    Auto,
    /// Always 0x and hexadecimal digits
    Hex,
    /// The bytes themselves
    Raw,
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text that is safe to print and cannot be taken for hexadecimal.
fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.starts_with("0x") && !text.chars().any(char::is_control)).then_some(text)
}

/// Bytes as a person reads them.
pub fn text(bytes: &[u8]) -> String {
    printable(bytes).map_or_else(|| format!("0x{}", hex(bytes)), str::to_owned)
}

/// Bytes in the format asked for.
pub fn formatted(bytes: &[u8], format: Format) -> Vec<u8> {
    match format {
        Format::Auto => text(bytes).into_bytes(),
        Format::Hex => format!("0x{}", hex(bytes)).into_bytes(),
        Format::Raw => bytes.to_vec(),
    }
}

/// Bytes as JSON, without loss: a string if they are UTF-8, else `{"hex": "..."}`.
pub fn value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

/// The bytes that such JSON stands for.
pub fn from_value(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(object) => from_hex(object.get("hex")?.as_str()?),
        _ => None,
    }
}

/// The bytes of an even number of hexadecimal digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_json() {
        for bytes in [
            &b"plain"[..],
            b"",
            b"\xff\x00",
            "\u{1b}[31m".as_bytes(),
            b"0xzz",
        ] {
            assert_eq!(from_value(&value(bytes)).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn nothing_printed_controls_the_terminal() {
        assert_eq!(text(b"\x1b[31mred"), "0x1b5b33316d726564");
        assert_eq!(text("snow \u{2603}".as_bytes()), "snow \u{2603}");
        assert_eq!(
            text(b"0xff"),
            "0x30786666",
            "cannot be taken for hexadecimal"
        );
    }
}
