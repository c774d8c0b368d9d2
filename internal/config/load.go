package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"error-check-gate/internal/option"
)

// Fault is one thing wrong with one variable.
type Fault struct {
	Variable string `json:"variable"`
	// Problem says what is wrong and what to write. It never contains a secret.
	Problem string `json:"problem"`
}

func (f Fault) Error() string { return f.Variable + ": " + f.Problem }

// Faults is everything that is wrong with a process's settings.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return "the configuration is wrong:\n  " + strings.Join(lines, "\n  ")
}

// Unwrap lets [errors.As] find each fault.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

func (f *Faults) add(variable, format string, args ...any) {
	*f = append(*f, Fault{Variable: variable, Problem: fmt.Sprintf(format, args...)})
}

// addAll adds what a package says about its options. It skips variables that have a fault already:
// the second one is usually a consequence of the first.
func (f *Faults) addAll(faults option.Faults, variables map[string]string) {
	before := slices.Clone(*f)
	for _, fault := range faults {
		if variable, problem := fault.Rename(variables); !before.has(variable) {
			f.add(variable, "%s", problem)
		}
	}
}

// has reports whether a variable, or the file that should hold its value, has a fault.
func (f Faults) has(variable string) bool {
	return slices.ContainsFunc(f, func(fault Fault) bool {
		return fault.Variable == variable || fault.Variable == variable+FileSuffix
	})
}

// process is the struct of a process.
type process interface {
	// validate adds the faults of values that could be read. Fields that could not be read hold
	// their zero value.
	validate(f *Faults)
}

// withDefaults is a process that has other defaults for some variables than the tags say.
type withDefaults interface {
	defaults() map[string]string
}

// LoadIngress reads the settings of 'gate ingress'. The error is [Faults], as of every Load
// function.
func LoadIngress(e Environment) (Ingress, error) { return load[Ingress](e) }

// LoadWorker reads the settings of 'gate worker'.
func LoadWorker(e Environment) (Worker, error) { return load[Worker](e) }

// LoadCheck reads the settings of 'gate check'.
func LoadCheck(e Environment) (Check, error) { return load[Check](e) }

// LoadNotices reads the settings of 'gate rules try'.
func LoadNotices(e Environment) (Notices, error) { return load[Notices](e) }

// LoadCodec reads the settings of 'gate codec'.
func LoadCodec(e Environment) (Codec, error) { return load[Codec](e) }

// LoadHealth reads the settings of 'gate health'.
func LoadHealth(e Environment) (Health, error) { return load[Health](e) }

// LoadWebhooks reads the settings of 'gate webhooks send', 'sign' and 'verify'.
func LoadWebhooks(e Environment) (Webhooks, error) { return load[Webhooks](e) }

// LoadSubscriptions reads the settings of 'gate webhooks list', 'get', 'subscribe', 'unsubscribe'
// and 'rotate'.
func LoadSubscriptions(e Environment) (Subscriptions, error) { return load[Subscriptions](e) }

// LoadDev reads the settings of 'gate dev'.
func LoadDev(e Environment) (Dev, error) { return load[Dev](e) }

// LoadFakeInflow reads the settings of 'gate fake-inflow'.
func LoadFakeInflow(e Environment) (FakeInflow, error) { return load[FakeInflow](e) }

func load[T any, P interface {
	*T
	process
}](e Environment) (T, error) {
	var settings T
	if faults := read(P(&settings), e); len(faults) > 0 {
		var none T
		return none, faults
	}
	return settings, nil
}

// read fills a process's struct and returns what is wrong.
func read(settings process, e Environment) Faults {
	var faults Faults
	fields := fieldsOf(settings)
	e = e.withSecretFiles(fields, &faults)
	values := make(map[string]string, len(e.variables))
	for _, f := range fields {
		values[f.variable] = f.defaultValue
		if value := e.Value(f.variable); value != "" {
			values[f.variable] = value
		}
	}
	err := env.ParseWithOptions(settings, env.Options{Environment: values, FuncMap: parsers})
	addParseFaults(&faults, err, fields, e)
	parsed := len(faults)
	settings.validate(&faults)
	if _, connects := settings.(temporalProcess); connects {
		checkTemporal(&faults, e)
	}
	return onePerVariable(faults, parsed)
}

// onePerVariable drops faults that validation found in variables that could not be parsed.
// parsed is the number of faults that parsing found.
func onePerVariable(faults Faults, parsed int) Faults {
	kept := faults[:parsed:parsed]
	for _, fault := range faults[parsed:] {
		if !faults[:parsed].has(fault.Variable) {
			kept = append(kept, fault)
		}
	}
	return kept
}

// field is one setting of a process, as the tags of its struct describe it.
type field struct {
	name         string // the Go field's, unique in a process's struct
	variable     string
	defaultValue string
	hint         string
	secret       bool
	lines        bool // a secret whose NAME_FILE is a setting of its own, with one secret per line
}

var secretType = reflect.TypeFor[Secret]()

func fieldsOf(settings process) []field {
	var defaults map[string]string
	if p, ok := settings.(withDefaults); ok {
		defaults = p.defaults()
	}
	var fields []field
	for _, f := range reflect.VisibleFields(reflect.TypeOf(settings).Elem()) {
		name, ok := f.Tag.Lookup("env")
		if !ok {
			continue
		}
		defaultValue, ok := defaults[name]
		if !ok {
			defaultValue = f.Tag.Get("envDefault")
		}
		fields = append(fields, field{
			name:         f.Name,
			variable:     name,
			defaultValue: defaultValue,
			hint:         f.Tag.Get("hint"),
			secret:       f.Type == secretType || f.Tag.Get("secret") != "",
			lines:        f.Tag.Get("file") == "lines",
		})
	}
	return fields
}

// addParseFaults turns the library's errors, which name Go fields, into faults of variables.
func addParseFaults(faults *Faults, err error, fields []field, e Environment) {
	if err == nil {
		return
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		all.Errors = []error{err}
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			faults.add("environment", "%v", err)
			continue
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == parse.Name })
		if i < 0 {
			faults.add("environment", "%v", err)
			continue
		}
		addParseFault(faults, &fields[i], parse.Err, e)
	}
}

func addParseFault(faults *Faults, f *field, err error, e Environment) {
	var invalid *invalidError
	switch {
	case errors.As(err, &invalid):
		var problems option.Faults
		problems.AddError(f.name, invalid.error)
		for _, problem := range problems {
			faults.add(f.variable, "%s", problem.Problem)
		}
	case f.secret:
		faults.add(f.variable, "is not valid: write %s", f.hint)
	default:
		faults.add(f.variable, "%q is not valid: write %s", e.Value(f.variable), f.hint)
	}
}
