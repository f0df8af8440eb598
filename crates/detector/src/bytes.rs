//! Arrays of numbers as text: base64 of their little-endian bytes. Exact, and a fifth of the size
//! of digits.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// A number with a fixed number of bytes.
pub(crate) trait Number: Copy {
    /// Appends its bytes.
    fn write(self, out: &mut Vec<u8>);
    /// Reads it from exactly [`size_of::<Self>()`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("chunks have the size of a number"))
            }
        }
    )*};
}

numbers!(u8, i16, u16, u32, f32, f64);

fn encode<T: Number>(numbers: &[T]) -> String {
    let mut bytes = Vec::with_capacity(size_of_val(numbers));
    for &number in numbers {
        number.write(&mut bytes);
    }
    STANDARD.encode(bytes)
}

fn decode<T: Number>(text: &str) -> Result<Vec<T>, &'static str> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| "an array is not base64")?;
    let numbers = bytes.chunks_exact(size_of::<T>());
    if !numbers.remainder().is_empty() {
        return Err("an array ends inside a number");
    }
    Ok(numbers.map(T::read).collect())
}

/// For `#[serde(with)]` on a `Vec`.
pub(crate) mod vec {
    use super::*;

    pub(crate) fn serialize<T: Number, S: Serializer>(
        numbers: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(numbers))
    }

    pub(crate) fn deserialize<'de, T: Number, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).map_err(D::Error::custom)
    }
}

/// For `#[serde(with)]` on a boxed array: its length is part of the format.
pub(crate) mod fixed {
    use super::*;

    pub(crate) fn serialize<T: Number, S: Serializer, const N: usize>(
        numbers: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(numbers))
    }

    pub(crate) fn deserialize<'de, T: Number, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<Box<[T; N]>, D::Error> {
        let numbers = super::vec::deserialize::<T, D>(deserializer)?;
        Box::try_from(numbers).map_err(|_| D::Error::custom("an array has another length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_bit_by_bit() {
        let numbers = [0.1, -0.0, f64::MAX, 5e-324];
        let again: Vec<f64> = decode(&encode(&numbers)).unwrap();
        assert_eq!(again.map_bits(), numbers.to_vec().map_bits());
        assert!(decode::<f64>("AAAA").is_err() && decode::<u8>("not base64").is_err());
    }

    trait Bits {
        fn map_bits(&self) -> Vec<u64>;
    }

    impl Bits for Vec<f64> {
        fn map_bits(&self) -> Vec<u64> {
            self.iter().map(|number| number.to_bits()).collect()
        }
    }
}
