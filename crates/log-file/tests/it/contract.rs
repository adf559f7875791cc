//! The suite that every home passes, on a simulated disk and in a real directory.

mod simulated {
    huntcore_log::contract_suite!(crate::support::SimFixture::new());
}

mod simulated_with_short_writes {
    huntcore_log::contract_suite!({
        let fixture = crate::support::SimFixture::new();
        fixture.disk.write_short();
        fixture
    });
}

mod simulated_with_spares {
    huntcore_log::contract_suite!({
        let mut fixture = crate::support::SimFixture::new();
        fixture.spares = true;
        fixture
    });
}

mod real {
    huntcore_log::contract_suite!(crate::support::DirectoryFixture::new());
}
