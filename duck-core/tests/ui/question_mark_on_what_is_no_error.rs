use std::error::Error as StdError;

use duck::prelude::*;

fn price() -> anyhow::Result<u32> {
    Ok(1)
}

fn rate() -> Result<u32, Box<dyn StdError + Send + Sync>> {
    Ok(2)
}

fn tax() -> Result<u32, String> {
    Ok(3)
}

fn discount() -> Result<u32, &'static str> {
    Ok(4)
}

fn shipping() -> Option<u32> {
    Some(5)
}

async fn total(_request: Request) -> Result<String> {
    let total = price()? + rate()? + tax()? + discount()? + shipping()?;
    Ok(total.to_string())
}

async fn with_or_500(_request: Request) -> Result<String> {
    let total = price().or_500("reading prices")?
        + rate().or_500("reading rates")?
        + tax().or_500("reading taxes")?
        + discount().or_500("reading discounts")?
        + shipping().or_500("reading shipping")?;
    Ok(total.to_string())
}

fn main() {
    path("/total", total);
    path("/with-or-500", with_or_500);
}
