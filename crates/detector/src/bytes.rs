//! Arrays of numbers, exact. In text formats base64 of their little-endian bytes, a fifth of the
//! size of digits. In binary formats their first bytes, then their second ones, and so on: bytes
//! that mean the same are alike, and compress.

use std::{fmt, marker::PhantomData};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

/// A number with a fixed number of bytes.
pub(crate) trait Number: Copy {
    /// Appends its bytes.
    fn write(self, out: &mut Vec<u8>);
    /// Reads it from exactly [`size_of::<Self>()`] bytes.
    fn read(bytes: &[u8]) -> Self;
    /// The bytes of `numbers`: the first of each, then the second of each, and so on.
    fn to_columns(numbers: &[Self]) -> Vec<u8>;
    /// Reads number `i` of `n` from such bytes, of which there are enough.
    fn from_columns(bytes: &[u8], i: usize, n: usize) -> Self;
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
            fn to_columns(numbers: &[Self]) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(size_of_val(numbers));
                for byte in 0..size_of::<Self>() {
                    bytes.extend(numbers.iter().map(|number| number.to_le_bytes()[byte]));
                }
                bytes
            }
            fn from_columns(bytes: &[u8], i: usize, n: usize) -> Self {
                Self::from_le_bytes(std::array::from_fn(|byte| bytes[byte * n + i]))
            }
        }
    )*};
}

numbers!(u8, i16, u16, u32, f32, f64);

fn to_bytes<T: Number>(numbers: &[T]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(numbers));
    for &number in numbers {
        number.write(&mut bytes);
    }
    bytes
}

fn from_bytes<T: Number>(bytes: &[u8]) -> Result<Vec<T>, &'static str> {
    let numbers = bytes.chunks_exact(size_of::<T>());
    if !numbers.remainder().is_empty() {
        return Err("an array ends inside a number");
    }
    Ok(numbers.map(T::read).collect())
}

fn encode<T: Number>(numbers: &[T]) -> String {
    STANDARD.encode(to_bytes(numbers))
}

fn decode<T: Number>(text: &str) -> Result<Vec<T>, &'static str> {
    from_bytes(
        &STANDARD
            .decode(text)
            .map_err(|_| "an array is not base64")?,
    )
}

fn from_columns<T: Number>(bytes: &[u8]) -> Result<Vec<T>, &'static str> {
    let n = bytes.len() / size_of::<T>();
    if n * size_of::<T>() != bytes.len() {
        return Err("an array ends inside a number");
    }
    Ok((0..n).map(|i| T::from_columns(bytes, i, n)).collect())
}

/// Reads an array from text or from bytes, whichever comes.
struct ArrayVisitor<T>(PhantomData<T>);

impl<T: Number> Visitor<'_> for ArrayVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers in base64 or in bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        decode(text).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
        from_columns(bytes).map_err(E::custom)
    }
}

/// For `#[serde(with)]` on a `Vec`.
pub(crate) mod vec {
    use super::*;

    pub(crate) fn serialize<T: Number, S: Serializer>(
        numbers: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&encode(numbers))
        } else {
            serializer.serialize_bytes(&T::to_columns(numbers))
        }
    }

    pub(crate) fn deserialize<'de, T: Number, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        // A buffer of serde's, as between the forms of an enum, does not say which format it is of.
        deserializer.deserialize_any(ArrayVisitor(PhantomData))
    }
}

/// For `#[serde(with)]` on a boxed array: its length is part of the format.
pub(crate) mod fixed {
    use super::*;

    pub(crate) fn serialize<T: Number, S: Serializer, const N: usize>(
        numbers: &[T; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::vec::serialize(numbers, serializer)
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
        let columns = f64::to_columns(&numbers);
        let again: Vec<f64> = from_columns(&columns).unwrap();
        assert_eq!(again.map_bits(), numbers.to_vec().map_bits());
        assert_eq!(
            from_columns::<u16>(&[1, 2, 3, 4]).unwrap(),
            [0x0301, 0x0402]
        );
        assert!(from_columns::<u16>(&[1, 2, 3]).is_err() && from_columns::<u16>(&[]).is_ok());
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
