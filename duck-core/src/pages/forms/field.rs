//! `field()` and `form_errors()`: what a template draws a form with.
//!
//! Both draw a template, `duck/field.html` and `duck/form_errors.html`. Duck's own are in `pages/own`; a
//! site's `templates/duck/field.html` stands over that.

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, context};

use super::input;
use crate::pages::escape::escape_html;

/// The arguments of `field()` that are not attributes of the input.
const OWN: [&str; 8] = [
    "label", "type", "help", "options", "empty", "value", "id", "required",
];

/// Attributes that an input of texts does not have.
const NOT_OF_TEXTS: [&str; 3] = ["min", "max", "step"];

/// Inputs that something is always entered in, or that are not one input.
const NEVER_REQUIRED: [&str; 4] = ["hidden", "checkboxes", "range", "color"];

/// What an optional or an empty choice says.
const NOTHING: &str = "–";

/// Adds the functions to a site's templates.
pub(crate) fn add_to(env: &mut Environment<'static>) {
    env.add_function("field", field);
    env.add_function("form_errors", form_errors);
}

/// `{{ form_errors(form) }}`
fn form_errors(state: &mut State<'_, '_>, form: &Value) -> Result<Value, Error> {
    let errors = form.get_attr("errors")?;
    if form.get_attr("is_bound")?.is_undefined() {
        return Err(wrong("form_errors() takes a form: `form_errors(form)`"));
    }
    draw(state, "duck/form_errors.html", context! { errors })
}

/// `{{ field(form.title, label="Title", maxlength=80) }}`
fn field(
    state: &mut State<'_, '_>,
    field: &Value,
    rest: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let Rest(rest) = rest;
    if !rest.is_empty() {
        return Err(wrong(
            "field() takes one field, and all else by name: `label=\"Title\"`",
        ));
    }
    let field = Field::new(field, arguments)?;
    draw(state, "duck/field.html", field.context()?)
}

fn draw(state: &State<'_, '_>, template: &str, context: Value) -> Result<Value, Error> {
    let drawn = state.get_template(template)?.render(context);
    drawn.map(Value::from_safe_string)
}

/// A field with the arguments that it is drawn with.
struct Field<'a> {
    field: &'a Value,
    arguments: Kwargs,
    kind: String,
    id: String,
    /// It is drawn as text in place of what it is, so that what was entered can be seen.
    is_as_text: bool,
}

impl<'a> Field<'a> {
    fn new(field: &'a Value, arguments: Kwargs) -> Result<Self, Error> {
        if field.is_undefined() {
            let message = "the form has no such field";
            return Err(Error::new(ErrorKind::UndefinedError, message));
        }
        let has_values = field
            .get_attr("values")
            .is_ok_and(|values| is_list(&values));
        if field.kind() != ValueKind::Map || !has_values {
            return Err(wrong(
                "field() takes a field of a form, `field(form.title)`; a struct or a list of them has fields of its own",
            ));
        }
        let own_type = field.get_attr("type")?;
        let kind = argument(&arguments, "type")?.unwrap_or(own_type);
        let kind = kind.as_str().unwrap_or("text").to_owned();
        let id = match argument(&arguments, "id")? {
            Some(id) => id.to_string(),
            None => field.get_attr("id")?.to_string(),
        };
        let mut field = Self {
            field,
            arguments,
            kind,
            id,
            is_as_text: false,
        };
        if !field.can_be_shown()? {
            "text".clone_into(&mut field.kind);
            field.is_as_text = true;
        }
        Ok(field)
    }

    /// Whether the input can show all its values: a browser shows nothing in place of one that does not fit.
    fn can_be_shown(&self) -> Result<bool, Error> {
        let mut values = texts(&self.field.get_attr("values")?)?;
        values.push(self.value()?.to_string());
        Ok(values.iter().all(|value| input::shows(&self.kind, value)))
    }

    fn context(&self) -> Result<Value, Error> {
        let get = |name| self.field.get_attr(name);
        let label = argument(&self.arguments, "label")?;
        let is_radio = self.kind == "radio";
        let is_group = is_radio || self.kind == "checkboxes";
        let about = self.about()?;
        let (group, each) = if is_group {
            about
        } else {
            (String::new(), about.0 + &about.1)
        };
        Ok(context! {
            name => get("name")?,
            id => self.id.as_str(),
            type => self.kind.as_str(),
            label => label.map_or_else(|| get("label"), Ok)?,
            help => argument(&self.arguments, "help")?,
            multiple => get("multiple")?,
            value => self.value()?,
            values => get("values")?,
            errors => get("errors")?,
            options => self.options()?,
            empty => self.empty()?,
            group_attributes => Value::from_safe_string(group),
            attributes => Value::from_safe_string(each),
        })
    }

    /// A password is never shown again; templates draw no value for it either.
    fn value(&self) -> Result<Value, Error> {
        if self.kind == "password" || self.kind == "file" {
            return Ok(Value::from(""));
        }
        match argument(&self.arguments, "value")? {
            Some(value) => Ok(value),
            None => self.field.get_attr("value"),
        }
    }

    /// What an input begins with that stands for nothing. `none` where it has no such choice.
    fn empty(&self) -> Result<Value, Error> {
        if self.field.get_attr("multiple")?.is_true() {
            return Ok(Value::from(()));
        }
        Ok(argument(&self.arguments, "empty")?.unwrap_or_else(|| Value::from(NOTHING)))
    }

    /// The choices: those of the enum, or the template's own, texts or pairs of value and label.
    fn options(&self) -> Result<Vec<Value>, Error> {
        let (options, is_own) = match argument(&self.arguments, "options")? {
            Some(options) => (options, true),
            None => (self.field.get_attr("options")?, false),
        };
        let chosen: Vec<String> = match argument(&self.arguments, "value")? {
            Some(value) => vec![value.to_string()],
            None if self.field.get_attr("multiple")?.is_true() => {
                texts(&self.field.get_attr("values")?)?
            }
            None => vec![self.field.get_attr("value")?.to_string()],
        };
        let mut all = Vec::new();
        for option in options.try_iter()? {
            let (value, label) = if !is_own {
                (option.get_attr("value")?, option.get_attr("label")?)
            } else if option.kind() == ValueKind::Seq {
                (
                    option.get_item(&Value::from(0))?,
                    option.get_item(&Value::from(1))?,
                )
            } else {
                (option.clone(), option)
            };
            let is_selected = chosen.contains(&value.to_string());
            all.push(context! { value, label, is_selected });
        }
        Ok(all)
    }

    /// The attributes about the field as a whole, and those of each input.
    fn about(&self) -> Result<(String, String), Error> {
        let has_errors = self.field.get_attr("errors")?.is_true();
        let has_help = argument(&self.arguments, "help")?.is_some();
        let is_hidden = self.kind == "hidden";
        let mut whole = Attributes::default();
        let mut each = Attributes::default();
        if self.kind == "radio" {
            whole.set("role", "radiogroup");
        }
        if !is_hidden && has_errors && self.kind == "checkboxes" {
            each.set("aria-invalid", "true");
        } else if !is_hidden && has_errors {
            whole.set("aria-invalid", "true");
        }
        let described: Vec<String> = [(has_help, "help"), (has_errors, "error")]
            .into_iter()
            .filter(|(is_there, _)| *is_there && !is_hidden)
            .map(|(_, what)| format!("{}_{what}", self.id))
            .collect();
        if !described.is_empty() {
            whole.set("aria-describedby", &described.join(" "));
        }
        self.rules(&mut each)?;
        let is_left_out =
            |name: &str| OWN.contains(&name) || self.is_as_text && NOT_OF_TEXTS.contains(&name);
        for name in self.arguments.args().filter(|name| !is_left_out(name)) {
            let value: Value = self.arguments.get(name)?;
            each.add(&name.replace('_', "-"), &value)?;
        }
        Ok((whole.0, each.0))
    }

    /// What the browser checks before it sends.
    fn rules(&self, each: &mut Attributes) -> Result<(), Error> {
        let is_required = match argument(&self.arguments, "required")? {
            Some(required) => required.is_true(),
            None => self.field.get_attr("required")?.is_true(),
        };
        if is_required && !NEVER_REQUIRED.contains(&&*self.kind) {
            each.0.push_str(" required");
        }
        if ["number", "range"].contains(&&*self.kind) {
            for name in ["min", "step"] {
                let value = self.field.get_attr(name)?;
                if !value.is_none() && !self.arguments.has(name) {
                    each.set(name, &value.to_string());
                }
            }
        }
        let takes_several = ["select", "file", "email"].contains(&&*self.kind);
        if takes_several && self.field.get_attr("multiple")?.is_true() {
            each.0.push_str(" multiple");
        }
        Ok(())
    }
}

/// Attributes of an element, as they stand in HTML.
#[derive(Default)]
struct Attributes(String);

impl Attributes {
    fn set(&mut self, name: &str, value: &str) {
        self.0
            .push_str(&format!(" {name}=\"{}\"", escape_html(value)));
    }

    /// One from a template: `true` is an attribute without a value, `false` and `none` are none.
    fn add(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(wrong(
                "an argument of field() is not the name of an attribute",
            ));
        }
        match value.kind() {
            ValueKind::Bool if value.is_true() => self.0.push_str(&format!(" {name}")),
            ValueKind::Undefined | ValueKind::None | ValueKind::Bool => {}
            _ => self.set(name, &value.to_string()),
        }
        Ok(())
    }
}

/// An argument of the call; one that is `none` or not defined is not there.
fn argument(arguments: &Kwargs, name: &str) -> Result<Option<Value>, Error> {
    let value: Option<Value> = arguments.get(name)?;
    Ok(value.filter(|value| !value.is_none() && !value.is_undefined()))
}

fn texts(values: &Value) -> Result<Vec<String>, Error> {
    Ok(values.try_iter()?.map(|value| value.to_string()).collect())
}

fn is_list(value: &Value) -> bool {
    value.kind() == ValueKind::Seq
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests;
