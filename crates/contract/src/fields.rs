//! The fields of a request body, each written once as `name: Type`.

use std::{cell::Cell, marker::PhantomData};

use serde::{
    de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};

/// The fields of one JSON object, which may come in any order.
pub(crate) trait Fields: Sized {
    /// The fields that have been read so far.
    type Partial: Default;
    /// The names of the fields, in the order of their declaration.
    const NAMES: &'static [&'static str];

    /// Reads the value of the field `name` into `partial`; `false` if there is no such field.
    ///
    /// # Errors
    /// A value that is not of the field's type, or a second value for the same field.
    fn read<'de, A: MapAccess<'de>>(
        partial: &mut Self::Partial,
        name: &str,
        reader: &mut FieldReader<'_, A>,
    ) -> Result<bool, A::Error>;

    /// Puts the fields together.
    ///
    /// # Errors
    /// The first field that is missing.
    fn finish<E: de::Error>(partial: Self::Partial) -> Result<Self, E>;
}

/// Declares a struct of fields, and with the same lines how it is read from JSON.
///
/// A field whose type is an `Option` may be absent or `null`; any other has to be there. With
/// `and name: Group` the object also has the fields of `Group`, which is declared in the same way.
macro_rules! fields {
    (
        $(#[$about:meta])*
        struct $name:ident {
            $($(#[$of:meta])* $field:ident: $type:ty,)*
        }
        $(and $group:ident: $Group:ident)?
    ) => {
        $(#[$about])*
        pub(crate) struct $name {
            $($(#[$of])* pub(crate) $field: $type,)*
            $(pub(crate) $group: $Group,)?
        }

        const _: () = {
            use serde::de::{Error, MapAccess};
            use $crate::fields::{self, FieldReader, Fields};

            #[derive(Default)]
            pub(crate) struct Partial {
                $($field: Option<$type>,)*
                $($group: <$Group as Fields>::Partial,)?
            }

            const NAMES: &[&[&str]] = &[
                &[$(stringify!($field)),*],
                $(<$Group as Fields>::NAMES)?
            ];

            impl Fields for $name {
                type Partial = Partial;
                const NAMES: &'static [&'static str] =
                    &fields::joined::<{ fields::total(NAMES) }>(NAMES);

                fn read<'de, A: MapAccess<'de>>(
                    partial: &mut Partial,
                    name: &str,
                    reader: &mut FieldReader<'_, A>,
                ) -> Result<bool, A::Error> {
                    // All three are unused where there are no fields.
                    let _ = (&partial, name, &reader);
                    $(if name == stringify!($field) {
                        reader.read(stringify!($field), &mut partial.$field)?;
                        return Ok(true);
                    })*
                    Ok(false $(|| <$Group as Fields>::read(&mut partial.$group, name, reader)?)?)
                }

                fn finish<E: Error>(partial: Partial) -> Result<Self, E> {
                    let _ = &partial;
                    Ok(Self {
                        $($field: fields::or_absent::<_, E>(partial.$field, stringify!($field))?,)*
                        $($group: <$Group as Fields>::finish::<E>(partial.$group)?,)?
                    })
                }
            }
        };
    };
}

pub(crate) use fields;

/// Reads the values of an object.
pub(crate) struct FieldReader<'a, A> {
    pub(crate) map: &'a mut A,
    /// The field whose value is being read, for the message if that fails; else empty.
    pub(crate) field: &'a Cell<&'static str>,
}

impl<'de, A: MapAccess<'de>> FieldReader<'_, A> {
    /// Reads the value of the field `name` into `slot`, which is empty unless the object has that
    /// field twice.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        slot: &mut Option<T>,
    ) -> Result<(), A::Error> {
        if slot.is_some() {
            return Err(duplicate(name));
        }
        self.field.set(name);
        *slot = Some(self.map.next_value()?);
        self.field.set("");
        Ok(())
    }
}

/// The object has the field `name` twice.
pub(crate) fn duplicate<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("duplicate field `{name}`"))
}

/// The number of names in all `lists`.
pub(crate) const fn total(lists: &[&[&str]]) -> usize {
    let (mut total, mut list) = (0, 0);
    while list < lists.len() {
        total += lists[list].len();
        list += 1;
    }
    total
}

/// The names in all `lists`, of which there are `N`.
pub(crate) const fn joined<const N: usize>(lists: &[&[&'static str]]) -> [&'static str; N] {
    let mut names = [""; N];
    let (mut filled, mut list) = (0, 0);
    while list < lists.len() {
        let mut name = 0;
        while name < lists[list].len() {
            names[filled] = lists[list][name];
            filled += 1;
            name += 1;
        }
        list += 1;
    }
    names
}

/// The value of the field `name`, or what an absent field stands for: nothing, if `T` is an option.
///
/// # Errors
/// When the field is absent and has to be there.
pub(crate) fn or_absent<T: DeserializeOwned, E: de::Error>(
    value: Option<T>,
    name: &'static str,
) -> Result<T, E> {
    match value {
        Some(value) => Ok(value),
        None => T::deserialize(Absent {
            name,
            error: PhantomData::<E>,
        }),
    }
}

/// A field that is not there: it reads as `None`, and as nothing else.
struct Absent<E> {
    name: &'static str,
    error: PhantomData<E>,
}

impl<'de, E: de::Error> Deserializer<'de> for Absent<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, Body, Notes};

    fields! {
        struct Inner {
            c: Option<String>,
            d: Option<u8>,
        }
    }

    fields! {
        struct Outer {
            a: u8,
            b: Option<u8>,
        }
        and inner: Inner
    }

    impl Body for Outer {
        type Fields = Self;
        const CONTENT: &'static str = "an a";

        fn build(fields: Self, _: &mut Notes) -> Result<Self, String> {
            Ok(fields)
        }
    }

    #[test]
    fn fields_of_a_group_are_read_and_named_like_others() {
        assert_eq!(Outer::NAMES, ["a", "b", "c", "d"]);
        let read = |body: &str| json::parse::<Outer>(body.as_bytes()).map(|parsed| parsed.body);
        let outer = read(r#"{"d":4,"c":"x","b":null,"a":1}"#).unwrap();
        assert_eq!((outer.a, outer.b), (1, None));
        assert_eq!(
            (outer.inner.c.as_deref(), outer.inner.d),
            (Some("x"), Some(4))
        );
        let outer = read(r#"{"a":1}"#).unwrap();
        assert_eq!((outer.b, outer.inner.c, outer.inner.d), (None, None, None));
        for (body, fault) in [
            (r#"{"b":1}"#, "missing field `a`"),
            (r#"{"a":null}"#, "a: invalid type: null"),
            (r#"{"a":1,"d":"x"}"#, "d: invalid type: string"),
            // A null takes its place, too.
            (r#"{"a":1,"b":null,"b":1}"#, "duplicate field `b`"),
            (r#"{"a":1,"c":null,"c":"x"}"#, "duplicate field `c`"),
        ] {
            let message = read(body).err().unwrap().to_string();
            assert!(message.starts_with(fault), "{body}: {message}");
        }
    }
}
