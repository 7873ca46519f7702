//! `user` in templates.

use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::TestClient;
use duck::{context, render};

use crate::support::{Users, bare, log_in_ada, pages, settings};

async fn page(request: Request, name: String) -> Result<Response> {
    render(&request, &format!("{name}.html"), context! {}).await
}

#[tokio::test]
async fn templates_have_the_user_and_pay_only_where_they_name_one() {
    let folder = tempfile::tempdir().unwrap();
    let greeting = "{% if user %}Hello, {{ user.name }} ({{ user.id }}){% else %}Hello{% endif %}";
    std::fs::write(folder.path().join("greeting.html"), greeting).unwrap();
    std::fs::write(folder.path().join("plain.html"), "plain").unwrap();
    let users = Users::ada().await;
    let app = bare(settings(), &users)
        .with(Templates::on_disk([folder.path()]))
        .urls(pages())
        .urls([path("/page/<name>", page)]);
    let client = TestClient::start(app).await;
    assert_eq!(client.get("/page/greeting").await.text(), "Hello");
    log_in_ada(&client).await;
    users.table().lookups = 0;
    let greeting = client.get("/page/greeting").await;
    assert_eq!(greeting.text(), "Hello, ada (1)");
    assert_eq!(greeting.header("vary"), Some("Cookie"));
    assert_eq!(users.table().lookups, 1);
    let plain = client.get("/page/plain").await;
    assert_eq!((plain.text(), plain.header("vary")), ("plain", None));
    assert_eq!(users.table().lookups, 1);
    users.table().rows.clear();
    assert_eq!(client.get("/page/greeting").await.text(), "Hello");
}
