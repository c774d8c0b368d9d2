package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Setting is one variable with the value in effect.
type Setting struct {
	Variable string `json:"variable"`
	// Value is empty if the variable is unset. For a secret it is only the size.
	Value string `json:"value"`
	// Source is one of the From constants, with the path after [FromFile]. It is empty if the variable
	// is unset and has no default.
	Source string `json:"source"`
	// Processes lists the processes that use it.
	Processes []string `json:"processes"`
}

// ProcessFault is a [Fault] and the processes that it keeps from starting.
type ProcessFault struct {
	Fault
	Processes []string `json:"processes"`
}

type named struct {
	name string
	make func() process
}

// processes lists all processes, in the order in which operators meet them.
var processes = []named{
	{"ingress", func() process { return new(Ingress) }},
	{"worker", func() process { return new(Worker) }},
	{"desk", func() process { return new(Desk) }},
	{"check", func() process { return new(Check) }},
	{"codec", func() process { return new(Codec) }},
	{"webhooks", func() process { return new(Webhooks) }},
	{"subscriptions", func() process { return new(Subscriptions) }},
	{"health", func() process { return new(Health) }},
	{"fake-inflow", func() process { return new(FakeInflow) }},
	{"dev", func() process { return new(Dev) }},
}

// Processes returns the names that [Effective] accepts.
func Processes() []string {
	names := make([]string, len(processes))
	for i, p := range processes {
		names[i] = p.name
	}
	return names
}

// Effective returns the settings of processes and every fault in them. A variable that has
// different defaults in two processes is listed twice. An unknown process is an error.
func Effective(e Environment, names ...string) ([]Setting, []ProcessFault, error) {
	var settings []Setting
	var faults []ProcessFault
	for _, name := range names {
		i := slices.IndexFunc(processes, func(p named) bool { return p.name == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("process %q is unknown: use one of %s", name,
				strings.Join(Processes(), ", "))
		}
		p := processes[i].make()
		for _, fault := range read(p, e) {
			j := slices.IndexFunc(faults, func(f ProcessFault) bool { return f.Fault == fault })
			if j < 0 {
				faults = append(faults, ProcessFault{Fault: fault})
				j = len(faults) - 1
			}
			faults[j].Processes = append(faults[j].Processes, name)
		}
		for _, f := range fieldsOf(p) {
			setting := e.effective(f)
			j := slices.IndexFunc(settings, func(s Setting) bool {
				return s.Variable == setting.Variable && s.Value == setting.Value && s.Source == setting.Source
			})
			if j < 0 {
				settings = append(settings, setting)
				j = len(settings) - 1
			}
			settings[j].Processes = append(settings[j].Processes, name)
		}
	}
	return settings, faults, nil
}

func (e Environment) effective(f field) Setting {
	setting := Setting{Variable: f.variable}
	value, source := e.Value(f.variable), e.variables[f.variable].source
	if path := e.Value(f.variable + FileSuffix); value == "" && path != "" && f.secret && !f.lines {
		source = FromFile + " " + path
		value, _ = readSecretFile(path) // an error is among the faults
	}
	switch {
	case value != "" && f.secret:
		setting.Value, setting.Source = describeSecret(value), source
	case value != "":
		setting.Value, setting.Source = maskUserInfo(value), source
	case f.defaultValue != "":
		setting.Value, setting.Source = f.defaultValue, FromDefault
	}
	return setting
}

// maskUserInfo masks the user and password of a URL.
func maskUserInfo(value string) string {
	if u, err := url.Parse(value); err == nil && u.User != nil {
		return u.Scheme + "://***@" + u.Host + u.Path
	}
	return value
}

// foreignSecrets lists words in the names of other projects' variables. A variable with one of
// them may hold a secret.
var foreignSecrets = []string{"KEY", "HEADERS", "AUTH", "TOKEN", "PASSWORD", "SECRET", "_DATA",
	"_META"}

// Foreign returns the variables that are set and begin with a prefix of another project's
// library. It masks values that may be secrets, except paths.
func Foreign(e Environment, prefix string) []Setting {
	var settings []Setting
	for _, name := range e.Names(prefix) {
		value := maskUserInfo(e.Value(name))
		masked := slices.ContainsFunc(foreignSecrets,
			func(part string) bool { return strings.Contains(name, part) })
		if masked && !strings.HasSuffix(name, FileSuffix) && !strings.HasSuffix(name, "_PATH") {
			value = describeSecret(value)
		}
		settings = append(settings, Setting{Variable: name, Value: value,
			Source: e.variables[name].source})
	}
	return settings
}
