mod claiming;
mod keeping;
mod moving;
mod seeking;

use super::Owner;

fn node(number: usize) -> Owner {
    Owner { name: ["a", "b", "c", "d"][number].into(), incarnation: number as u64 + 1 }
}
