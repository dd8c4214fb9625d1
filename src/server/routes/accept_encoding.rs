//! The content coding that a client prefers, by its `Accept-Encoding` (RFC 9110, section 12.5.3).

use axum::http::{HeaderMap, header};

/// The codings that files are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// The better ones come first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    fn is_named(self, name: &str) -> bool {
        let names: &[&str] = match self {
            Self::Brotli => &["br"],
            // The RFC asks recipients to read both as the same.
            Self::Gzip => &["gzip", "x-gzip"],
            Self::Identity => &["identity"],
        };
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The coding with the best quality, and the better coding where qualities are equal. An item that is not
/// well formed is ignored. If no coding is acceptable, the answer is not encoded: the RFC prefers that to a
/// refusal.
pub(super) fn preferred(headers: &HeaderMap) -> Coding {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut listed = [None; Coding::ALL.len()];
    let mut others = None;
    for (name, quality) in lines.flat_map(|line| line.split(',')).filter_map(item) {
        let slot = match Coding::ALL.iter().position(|coding| coding.is_named(name)) {
            Some(at) => &mut listed[at],
            None if name == "*" => &mut others,
            None => continue,
        };
        slot.get_or_insert(quality);
    }
    let mut best = (Coding::Identity, 0);
    for (coding, quality) in Coding::ALL.into_iter().zip(listed) {
        let quality = quality.or(others).unwrap_or(0);
        if quality > best.1 {
            best = (coding, quality);
        }
    }
    best.0
}

/// The name and the quality of one item, in thousandths.
fn item(text: &str) -> Option<(&str, u16)> {
    let Some((name, weight)) = text.split_once(';') else {
        return Some((text.trim(), 1000));
    };
    let (key, value) = weight.trim().split_once('=')?;
    key.eq_ignore_ascii_case("q").then(|| quality(value)).flatten().map(|quality| (name.trim(), quality))
}

/// A number from 0 to 1 with at most three digits behind the point.
fn quality(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{digits:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}
