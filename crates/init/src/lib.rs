//! Creates topics and runs migrations, once, before the services.
