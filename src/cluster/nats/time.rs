//! The times of a server, which are texts.

/// The milliseconds since 1970 of a time such as `2026-11-29T23:10:11.123456789Z`.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000 + digits.parse::<i64>().ok()?)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut words = text.split(between).map(|word| word.parse::<u32>().ok().map(i64::from));
    let numbers = [words.next()??, words.next()??, words.next()??];
    words.next().is_none().then_some(numbers)
}

/// The days from the first of 1970. The year begins in March, so that the day of a leap year is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.9999Z", 999),
            ("2000-02-29T12:34:56.7Z", 951_827_696_700),
            ("2024-03-01T00:00:00.000000001Z", 1_709_251_200_000),
            ("2026-11-29T23:10:11.123456789Z", 1_795_993_811_123),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        let wrong = ["", "Z", "2026-11-29", "2026-11-29T23:10:11", "2026-11-29T23:10Z", "2026-13-29T23:10:11Z"];
        let more = ["2026-11-29T24:10:11Z", "2026-11-29T23:10:11.-1Z", "-1-11-29T23:10:11Z", "2026-11-29T1:2:3:4Z"];
        for text in wrong.into_iter().chain(more) {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
