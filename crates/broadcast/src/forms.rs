//! One value for each form that messages have.

use huntcore_wire::LiveForm;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PerForm<T> {
    json: T,
    proto: T,
}

impl<T> PerForm<T> {
    pub(crate) const fn get(&self, form: LiveForm) -> &T {
        match form {
            LiveForm::Json => &self.json,
            LiveForm::Proto => &self.proto,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.json, &self.proto].into_iter()
    }
}
