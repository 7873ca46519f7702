use garde::Validate;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Deserialize;

use crate::pages::forms::errors::Errors;
use crate::pages::forms::shape::Shape;
use crate::pages::forms::tree::{Entry, Node};
use crate::pages::forms::upload::Upload;
use crate::pages::forms::{drawn, name};

#[derive(Deserialize, Validate)]
#[garde(allow_unvalidated)]
#[expect(dead_code, reason = "only its shape is asked for")]
struct Sample {
    title: String,
    stars: u8,
    price: Option<f32>,
    public: bool,
    color: Option<Color>,
    colors: Vec<Color>,
    tags: Vec<String>,
    picture: Option<Upload>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Blue,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its shape is asked for")]
struct Row {
    what: String,
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    super::add_to(&mut env);
    for (name, text) in [
        ("duck/field.html", include_str!("../../own/duck/field.html")),
        (
            "duck/form_errors.html",
            include_str!("../../own/duck/form_errors.html"),
        ),
    ] {
        env.add_template(name, text).unwrap();
    }
    env
}

/// A template with the form, into which this was entered.
fn try_draw(
    env: &Environment<'_>,
    template: &str,
    entered: &[(&str, &str)],
    wrong: &[(&str, &str)],
) -> Result<String, minijinja::Error> {
    let mut tree = Node::default();
    for (field, text) in entered {
        tree.insert(
            &name::parts(field).unwrap(),
            Entry::text((*text).to_owned()),
        );
    }
    tree.number_elements();
    let mut errors = Errors::default();
    for (field, message) in wrong {
        errors.add(field, (*message).to_owned());
    }
    let shape = Shape::of::<Sample>().unwrap();
    let form = Value::from(Serde(&drawn::form(&shape, &tree, &errors, true)));
    env.render_named_str("page.html", template, context! { form })
}

#[track_caller]
fn draw(template: &str, entered: &[(&str, &str)], wrong: &[(&str, &str)]) -> String {
    try_draw(&environment(), template, entered, wrong).unwrap()
}

#[test]
fn a_text_has_a_label_and_what_was_entered() {
    assert_eq!(
        draw("{{ field(form.title) }}", &[("title", "Bread")], &[]),
        "<div class=\"field\">\n<label for=\"id_title\">Title</label>\n\
         <input id=\"id_title\" name=\"title\" type=\"text\" value=\"Bread\" required>\n</div>"
    );
}

#[test]
fn what_is_wrong_is_tied_to_its_input() {
    let html = draw(
        "{{ field(form.stars, label='How many?', help='0 to 5', max=5, autocomplete='off') }}",
        &[("stars", "7")],
        &[("stars", "must be at most 5")],
    );
    assert_eq!(
        html,
        "<div class=\"field is-invalid\">\n<label for=\"id_stars\">How many?</label>\n\
         <input id=\"id_stars\" name=\"stars\" type=\"number\" value=\"7\" aria-invalid=\"true\" \
         aria-describedby=\"id_stars_help id_stars_error\" required min=\"0\" autocomplete=\"off\" max=\"5\">\n\
         <p class=\"help\" id=\"id_stars_help\">0 to 5</p>\n\
         <p class=\"error\" id=\"id_stars_error\">must be at most 5</p>\n</div>"
    );
}

#[test]
fn what_its_input_cannot_show_is_drawn_as_text() {
    for (template, name, entered) in [
        ("{{ field(form.stars, max=5, step=2) }}", "stars", "many"),
        (
            "{{ field(form.stars, type='range', min=1) }}",
            "stars",
            "+1",
        ),
        (
            "{{ field(form.title, type='date', max='2026-12-31') }}",
            "title",
            "2026-02-30",
        ),
        ("{{ field(form.title, type='color') }}", "title", "yellow"),
    ] {
        let html = draw(template, &[(name, entered)], &[]);
        let input = format!(
            "<input id=\"id_{name}\" name=\"{name}\" type=\"text\" value=\"{entered}\" required>"
        );
        assert!(html.contains(&input), "{html}");
    }
}

#[test]
fn what_is_always_entered_is_not_required_and_has_no_empty_number() {
    let html = draw("{{ field(form.stars, type='range') }}", &[], &[]);
    assert!(
        html.contains("name=\"stars\" type=\"range\" min=\"0\">"),
        "{html}"
    );
    let html = draw("{{ field(form.title, type='color') }}", &[], &[]);
    assert!(html.contains("type=\"color\" value=\"\">"), "{html}");
}

#[test]
fn arguments_are_attributes() {
    let html = draw(
        "{{ field(form.title, required=false, readonly=true, disabled=false, data_x=none, aria_label='a', class='big') }}",
        &[],
        &[],
    );
    assert!(
        html.contains("value=\"\" aria-label=\"a\" class=\"big\" readonly>"),
        "{html}"
    );
    let html = draw("{{ field(form.price, step='0.01', min=1) }}", &[], &[]);
    assert!(html.contains(" min=\"1\" step=\"0.01\">"), "{html}");
    assert!(!html.contains("required"), "{html}");
}

#[test]
fn an_optional_choice_has_an_empty_one() {
    let html = draw("{{ field(form.color) }}", &[("color", "blue")], &[]);
    assert!(
        html.contains(
            "<select id=\"id_color\" name=\"color\">\n<option value=\"\">–</option>\n\
             <option value=\"red\">Red</option>\n<option value=\"blue\" selected>Blue</option>\n</select>"
        ),
        "{html}"
    );
    let html = draw("{{ field(form.color, empty='none of them') }}", &[], &[]);
    assert!(
        html.contains("<option value=\"\">none of them</option>"),
        "{html}"
    );
    let html = draw(
        "{{ field(form.colors) }}",
        &[("colors", "red"), ("colors", "blue")],
        &[],
    );
    assert!(
        html.contains(
            "<select id=\"id_colors\" name=\"colors\" multiple>\n<option value=\"red\" selected>"
        ),
        "{html}"
    );
    assert!(html.contains("<option value=\"blue\" selected>"), "{html}");
}

#[test]
fn choices_may_be_the_templates_own() {
    let html = draw(
        "{{ field(form.title, type='select', options=[['b', 'Bread & butter'], 'c', [7, 'seven']]) }}",
        &[("title", "7")],
        &[],
    );
    assert!(html.contains("<option value=\"b\">Bread &amp; butter</option>\n<option value=\"c\">c</option>\n<option value=\"7\" selected>seven</option>"), "{html}");
}

#[test]
fn radios_and_checkboxes_are_groups() {
    let html = draw(
        "{{ field(form.color, type='radio', label='Color') }}",
        &[("color", "red")],
        &[("color", "is not one of the choices")],
    );
    assert_eq!(
        html,
        "<div class=\"field is-invalid\">\n\
         <fieldset id=\"id_color\" role=\"radiogroup\" aria-invalid=\"true\" aria-describedby=\"id_color_error\">\n\
         <legend>Color</legend>\n\
         <label><input type=\"radio\" name=\"color\" value=\"red\" checked> Red</label>\n\
         <label><input type=\"radio\" name=\"color\" value=\"blue\"> Blue</label>\n\
         </fieldset>\n\
         <p class=\"error\" id=\"id_color_error\">is not one of the choices</p>\n</div>"
    );
    let html = draw(
        "{{ field(form.colors, type='checkboxes') }}",
        &[("colors", "blue")],
        &[],
    );
    assert!(
        html.contains("<input type=\"checkbox\" name=\"colors\" value=\"blue\" checked> Blue"),
        "{html}"
    );
}

#[test]
fn a_checkbox_is_checked_where_it_was() {
    let html = draw(
        "{{ field(form.public, label='Show it') }}",
        &[("public", "0"), ("public", "1")],
        &[],
    );
    assert_eq!(
        html,
        "<div class=\"field\">\n<input id=\"id_public\" name=\"public\" type=\"checkbox\" value=\"on\" checked>\n\
         <label for=\"id_public\">Show it</label>\n</div>"
    );
    let html = draw("{{ field(form.public) }}", &[("public", "0")], &[]);
    assert!(!html.contains("checked"), "{html}");
}

#[test]
fn passwords_and_files_are_not_given_back() {
    for template in [
        "{{ field(form.title, type='password') }}",
        "{{ field(form.title, type='password', value='s3cret') }}",
        "{{ field(form.title, type='file') }}",
    ] {
        let html = draw(template, &[("title", "s3cret")], &[("title", "is wrong")]);
        assert!(!html.contains("s3cret"), "{html}");
    }
    let html = draw(
        "{{ field(form.picture, accept='image/*') }}",
        &[("picture", "s3cret")],
        &[],
    );
    assert!(
        html.contains(
            "<input id=\"id_picture\" name=\"picture\" type=\"file\" accept=\"image&#x2f;*\">"
        ) || html.contains(
            "<input id=\"id_picture\" name=\"picture\" type=\"file\" accept=\"image/*\">"
        ),
        "{html}"
    );
    assert!(!html.contains("s3cret"), "{html}");
}

#[test]
fn a_long_text_keeps_its_first_line() {
    let html = draw(
        "{{ field(form.title, type='textarea', rows=3) }}",
        &[("title", "\n</textarea><script>")],
        &[],
    );
    assert!(html.contains("<textarea id=\"id_title\" name=\"title\" required rows=\"3\">\n\n&lt;&#x2f;textarea&gt;&lt;script&gt;</textarea>"), "{html}");
}

#[test]
fn a_hidden_field_is_an_input_alone() {
    let html = draw(
        "{{ field(form.title, type='hidden') }}",
        &[("title", "x")],
        &[],
    );
    assert_eq!(
        html,
        "<input type=\"hidden\" id=\"id_title\" name=\"title\" value=\"x\">"
    );
    let html = draw(
        "{{ field(form.title, type='hidden') }}",
        &[],
        &[("title", "is required")],
    );
    assert!(
        html.contains("<p class=\"error\">Title: is required</p>"),
        "{html}"
    );
}

#[test]
fn a_list_of_texts_has_an_input_each() {
    let html = draw(
        "{{ field(form.tags) }}",
        &[("tags", "a"), ("tags", "b")],
        &[],
    );
    assert!(
        html.contains("<input id=\"id_tags\" name=\"tags\" type=\"text\" value=\"a\">"),
        "{html}"
    );
    assert!(
        html.contains(
            "<input id=\"id_tags_1\" name=\"tags\" type=\"text\" value=\"b\" aria-label=\"Tags\">"
        ),
        "{html}"
    );
    let html = draw("{{ field(form.tags) }}", &[], &[]);
    assert!(
        html.contains("<input id=\"id_tags\" name=\"tags\" type=\"text\" value=\"\">"),
        "{html}"
    );
}

#[test]
fn rows_and_all_fields_are_gone_through() {
    let html = draw(
        "{% for row in form.rows %}{{ field(row.what) }}{% endfor %}",
        &[("rows[0].what", "a"), ("rows[1].what", "b")],
        &[("rows[1].what", "is wrong")],
    );
    assert!(
        html.contains("name=\"rows[0].what\" type=\"text\" value=\"a\""),
        "{html}"
    );
    assert!(
        html.contains(
            "id=\"id_rows_1_what\" name=\"rows[1].what\" type=\"text\" value=\"b\" aria-invalid"
        ),
        "{html}"
    );
    let html = draw(
        "{% for f in form.fields %}{{ field(f) }}{% endfor %}",
        &[],
        &[],
    );
    assert_eq!(html.matches("class=\"field\"").count(), 9, "{html}");
}

#[test]
fn nothing_that_was_sent_or_written_gets_out_of_its_place() {
    let nasty = "\"><script>alert(1)</script><a b='";
    for kind in [
        "text",
        "textarea",
        "hidden",
        "select",
        "radio",
        "checkboxes",
        "checkbox",
        "password",
        nasty,
    ] {
        let template = "{{ field(form.title, type=kind, label=nasty, help=nasty, empty=nasty, placeholder=nasty, options=[nasty, [nasty, nasty]]) }}";
        let template = format!(
            "{{% set kind = {kind:?} %}}{{% set nasty = {nasty:?} %}}{template}{{{{ form_errors(form) }}}}"
        );
        let html = draw(
            &template,
            &[("title", nasty)],
            &[("title", nasty), ("", nasty), (nasty, nasty)],
        );
        assert!(
            !html.contains("<script") && !html.contains("<a "),
            "{kind}: {html}"
        );
        assert!(!html.contains("\"><s"), "{kind}: {html}");
    }
}

#[test]
fn an_argument_that_is_no_attribute_is_an_error() {
    for template in [
        "{{ field(form.title, **{'on x': 1}) }}",
        "{{ field(form.title, **{'a><script>': 1}) }}",
        "{{ field(form.title, **{'a=\"': 1}) }}",
    ] {
        let error = try_draw(&environment(), template, &[], &[]).unwrap_err();
        assert!(
            error.to_string().contains("not the name of an attribute"),
            "{error}"
        );
    }
}

#[test]
fn wrong_use_is_said() {
    for (template, expected) in [
        ("{{ field(form) }}", "takes a field of a form"),
        ("{{ field(form.rows) }}", "takes a field of a form"),
        ("{{ field(form.rows[0]) }}", "takes a field of a form"),
        ("{{ field('title') }}", "takes a field of a form"),
        ("{{ field(form.title, 'Title') }}", "all else by name"),
        ("{{ field(form.titel) }}", "the form has no such field"),
        ("{{ form_errors(form.title) }}", "takes a form"),
        ("{{ form_errors(1) }}", "takes a form"),
    ] {
        let error = try_draw(&environment(), template, &[], &[]);
        let error = error.map_err(|error| error.to_string());
        assert!(
            error.as_ref().is_err_and(|error| error.contains(expected)),
            "{template}: {error:?}"
        );
    }
}

#[test]
fn the_forms_own_messages_are_a_list() {
    let html = draw(
        "{{ form_errors(form) }}",
        &[],
        &[("", "The shop is closed."), ("nothing", "is wrong")],
    );
    assert_eq!(
        html,
        "<div class=\"form-errors\" role=\"alert\">\n<ul>\n<li>The shop is closed.</li>\n<li>nothing: is wrong</li>\n</ul>\n</div>"
    );
    assert_eq!(
        draw("{{ form_errors(form) }}", &[], &[("title", "is wrong")]),
        ""
    );
}
