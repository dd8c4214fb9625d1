//! Times that were measured. They are printed and not judged.

use std::{fmt, time::Duration};

/// The times of something, sorted.
pub(crate) struct Times(Vec<Duration>);

impl FromIterator<Duration> for Times {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Times(times)
    }
}

impl Times {
    fn at(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (median, most, last) = (ms(self.at(50)), ms(self.at(99)), ms(self.at(100)));
        write!(f, "p50 {median:.1} ms, p99 {most:.1} ms, max {last:.1} ms (of {})", self.0.len())
    }
}
