//! The public door: routes, limits, sheds load.
