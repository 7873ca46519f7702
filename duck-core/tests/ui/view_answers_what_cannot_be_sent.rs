use duck::prelude::*;

async fn maybe(_request: Request) -> Option<u8> {
    None
}

async fn list(_request: Request) -> Result<Vec<u32>> {
    Ok(vec![1, 2])
}

fn main() {
    path("/maybe", maybe);
    path("/list", list);
}
