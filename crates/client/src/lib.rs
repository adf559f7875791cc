//! An async client of huntcore's public face
