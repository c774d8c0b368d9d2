package config

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"

	"error-check-gate/internal/nowait"
)

// Fault is one thing wrong with one variable.
type Fault struct {
	Variable string `json:"variable"`
	// Problem says what is wrong and what to write. It never contains a secret.
	Problem string `json:"problem"`
}

func (f Fault) Error() string { return f.Variable + ": " + f.Problem }

// Faults are all that is wrong with a process's settings, in the order of its fields.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return "the configuration is wrong:\n  " + strings.Join(lines, "\n  ")
}

// Unwrap gives each fault to [errors.As].
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

// has says whether a variable, or the file that should hold its value, has a fault.
func (f Faults) has(variable string) bool {
	for _, fault := range f {
		if fault.Variable == variable || fault.Variable == variable+FileSuffix {
			return true
		}
	}
	return false
}

// process is what every process's struct does.
type process interface {
	// validate adds what reading alone cannot tell. A field that could not be read holds its zero value.
	validate(f *Faults)
}

// LoadIngress reads the settings of 'gate ingress'. The error is [Faults], as of every Load function.
func LoadIngress(e Environment) (Ingress, error) { return load[Ingress](e) }

// LoadWorker reads the settings of 'gate worker'.
func LoadWorker(e Environment) (Worker, error) { return load[Worker](e) }

// LoadCheck reads the settings of 'gate check'.
func LoadCheck(e Environment) (Check, error) { return load[Check](e) }

// LoadCodec reads the settings of 'gate codec'.
func LoadCodec(e Environment) (Codec, error) { return load[Codec](e) }

// LoadHealth reads the settings of 'gate health'.
func LoadHealth(e Environment) (Health, error) { return load[Health](e) }

// LoadWebhooks reads the settings of 'gate webhooks send', 'sign' and 'verify'.
func LoadWebhooks(e Environment) (Webhooks, error) { return load[Webhooks](e) }

// LoadSubscriptions reads the settings of 'gate webhooks list', 'get', 'subscribe', 'unsubscribe' and 'rotate'.
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

// read fills a process's struct as far as it can be.
func read(settings process, e Environment) Faults {
	var faults Faults
	e = e.withSecretFiles(fieldsOf(settings), &faults)
	values := make(map[string]string, len(e.variables))
	for name, v := range e.variables {
		values[name] = v.value
	}
	err := env.ParseWithOptions(settings, env.Options{Environment: values, FuncMap: parsers})
	addParseFaults(&faults, err, fieldsOf(settings), e)
	parsed := len(faults)
	settings.validate(&faults)
	if _, connects := settings.(temporalProcess); connects {
		checkTemporal(&faults, e)
	}
	return firstOfEach(faults, parsed)
}

// firstOfEach drops what validation said of a variable that could not even be read.
func firstOfEach(faults Faults, parsed int) Faults {
	kept := faults[:parsed:parsed]
	for _, fault := range faults[parsed:] {
		if !faults[:parsed].has(fault.Variable) {
			kept = append(kept, fault)
		}
	}
	return kept
}

// field is one setting of a process, from its struct's tags.
type field struct {
	name         string // the Go field's, unique in a process's struct
	variable     string
	defaultValue string
	hint         string
	secret       bool
	ownFile      bool // its _FILE variable is a setting of its own
}

var secretType = reflect.TypeFor[Secret]()

func fieldsOf(settings process) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(reflect.TypeOf(settings).Elem()) {
		name, ok := f.Tag.Lookup("env")
		if !ok {
			continue
		}
		fields = append(fields, field{
			name:         f.Name,
			variable:     name,
			defaultValue: f.Tag.Get("envDefault"),
			hint:         f.Tag.Get("hint"),
			secret:       f.Type == secretType,
			ownFile:      f.Tag.Get("file") == "own",
		})
	}
	return fields
}

// FileSuffix at the end of a secret's variable makes it name a file that holds the secret.
const FileSuffix = "_FILE"

// maxSecretFile is more than any secret has; a wrong path may lead to anything.
const maxSecretFile = 64 << 10

// withSecretFiles reads the secrets that are named by a file.
func (e Environment) withSecretFiles(fields []field, faults *Faults) Environment {
	next := Environment{variables: make(map[string]variable, len(e.variables))}
	for name, v := range e.variables {
		next.variables[name] = v
	}
	for _, f := range fields {
		fileVariable := f.variable + FileSuffix
		path := e.Value(fileVariable)
		if !f.secret || f.ownFile || path == "" {
			continue
		}
		if e.Value(f.variable) != "" {
			faults.add(f.variable, "%s is set too: keep one of them", fileVariable)
			continue
		}
		secret, err := readSecretFile(path)
		if err != nil {
			faults.add(fileVariable, "%v", err)
			// Not "unset" as well.
			secret = ""
		}
		next.variables[f.variable] = variable{value: secret, source: FromFile}
	}
	return next
}

func readSecretFile(path string) (string, error) {
	content, err := readSmallFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(content), "\r\n")
	switch {
	case strings.TrimSpace(secret) == "":
		return "", fmt.Errorf("%s is empty: it must hold the secret and no more", path)
	case strings.ContainsAny(secret, "\r\n"):
		return "", fmt.Errorf("%s has several lines: it must hold the secret and no more", path)
	}
	return secret, nil
}

func readSmallFile(path string) ([]byte, error) {
	file, err := nowait.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	if len(content) > maxSecretFile {
		return nil, fmt.Errorf("%s has more than %d bytes: is it the right file?", path, maxSecretFile)
	}
	return content, nil
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
		for _, f := range fields {
			if f.name == parse.Name {
				faults.add(f.variable, "%q cannot be read: write %s", e.Value(f.variable), f.hint)
			}
		}
	}
}

var parsers = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[[]netip.Prefix](): func(text string) (any, error) { return parsePrefixes(text) },
}

// parsePrefixes reads addresses and networks separated by commas; an address is a network of its own.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err != nil {
				return nil, err
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
