use super::*;

#[test]
fn an_id_is_a_number_that_the_kernel_gives() {
    assert_eq!(pid("1"), Ok(1));
    assert_eq!(tid("4194304"), Ok(4_194_304));
    for wrong in ["", "0", "-1", "abc", "1x", "4294967295", "99999999999"] {
        assert!(pid(wrong).is_err() && tid(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_buffer_is_rounded_up_to_a_power_of_two() {
    assert_eq!(ring_bytes("64M"), Ok(64 << 20));
    assert_eq!(ring_bytes("4KiB"), Ok(4096));
    assert_eq!(ring_bytes("5000"), Ok(8192));
    for wrong in ["", "M", "2GiB", "-1", "0", "1k", "4095"] {
        assert!(ring_bytes(wrong).is_err(), "{wrong}");
    }
}
