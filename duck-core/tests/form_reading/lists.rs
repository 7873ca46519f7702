//! Lists and structs within a form.

use serde_json::json;

use crate::{ORDER, Order, assert_errors, post, site};

#[tokio::test]
async fn lists_and_structs_are_written_in_several_ways() {
    let site = site::<Order>().await;
    for rows in [
        "&rows[0].what=a&rows[0].price=1&rows[1].what=b&rows[1].price=2",
        "&rows.0.what=a&rows.0.price=1&rows.1.what=b&rows.1.price=2",
        "&rows[0][what]=a&rows[0][price]=1&rows[1][what]=b&rows[1][price]=2",
        "&rows%5B0%5D%5Bwhat%5D=a&rows.0.price=1&rows[007].what=b&rows[007].price=2",
        "&rows[10].what=b&rows[10].price=2&rows[2].what=a&rows[2].price=1&rows[3].what=&rows[3].price=",
    ] {
        let shown = post(&site, format!("{ORDER}{rows}")).await;
        let expected = r#"Order { from: 10.0.0.1, id: 67e55044-10b1-426f-9247-bb680e5fe0c8, day: Day(2026, 3, 1), price: 1.5, address: Address { zip: "12345", city: None }, rows: [Row { what: "a", price: 1, done: false }, Row { what: "b", price: 2, done: false }], tags: ["a", "b"], sizes: [1, 2], grade: None }"#;
        assert_eq!(shown, expected, "{rows}");
    }
}

#[tokio::test]
async fn what_is_wrong_within_lists_and_structs_is_said_at_its_place() {
    let site = site::<Order>().await;
    let body = "from=here&id=7&day=tomorrow&price=NaN&address.zip=1&tags=long+one&sizes=1&sizes=x\
        &rows[0].what=too+long&rows[0].price=1&rows[1].price=x&grade=ab";
    let form = post(&site, body).await;
    assert_errors(
        &form,
        &[
            ("from", "is not valid"),
            ("id", "is not valid"),
            ("day", "is not valid"),
            ("price", "must be a number"),
            ("address.zip", "must be at least 5 characters"),
            ("rows[0].what", "must be at most 5 characters"),
            ("rows[1].what", "is required"),
            ("rows[1].price", "must be a whole number"),
            ("tags", "must be at most 3 characters"),
            ("sizes", "must be a whole number"),
            ("grade", "is not valid"),
        ],
    );
    assert_eq!(form["sizes"]["values"], json!(["1", "x"]));
    assert_eq!(form["day"]["value"], "tomorrow");
    assert_eq!(form["rows"][1]["price"]["value"], "x");
}

#[tokio::test]
async fn the_length_of_a_list_is_counted_in_values() {
    let site = site::<Order>().await;
    let form = post(&site, format!("{ORDER}&rows[0].what=a&rows[0].price=1")).await;
    assert_errors(&form, &[("", "rows: must have at least 2 values")]);
    assert_eq!(form["rows"][0]["what"]["value"], "a");
}
