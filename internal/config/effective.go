package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Setting is one variable as it is in effect.
type Setting struct {
	Variable string `json:"variable"`
	// Value is what is in effect; of a secret, only its size. Empty is unset.
	Value string `json:"value"`
	// Source is one of the From constants, for [FromFile] with the path; empty where
	// the value is unset and has no default.
	Source string `json:"source"`
	// Processes are the names of those that use it.
	Processes []string `json:"processes"`
}

// ProcessFault is a [Fault] with the processes that it stops.
type ProcessFault struct {
	Fault
	Processes []string `json:"processes"`
}

type named struct {
	name string
	make func() process
}

// processes in the order in which people meet them.
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

// Processes are the names that [Effective] takes.
func Processes() []string {
	names := make([]string, len(processes))
	for i, p := range processes {
		names[i] = p.name
	}
	return names
}

// Effective describes the settings of the named processes, and every fault in
// them. Where two processes have different defaults for a variable, it is listed
// for each. No names is an error, as is an unknown one.
func Effective(e Environment, names ...string) ([]Setting, []ProcessFault, error) {
	var settings []Setting
	var faults []ProcessFault
	for _, name := range names {
		i := slices.IndexFunc(processes, func(p named) bool { return p.name == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("process %q is not known: use one of %s", name, strings.Join(Processes(), ", "))
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
	if path := e.Value(f.variable + FileSuffix); value == "" && path != "" && f.secret && !f.ownFile {
		source = FromFile + " " + path
		value, _ = readSecretFile(path) // its fault is told as one
	}
	switch {
	case value != "" && f.secret:
		setting.Value, setting.Source = describeSecret(value), source
	case value != "":
		setting.Value, setting.Source = withoutPassword(value), source
	case f.defaultValue != "":
		setting.Value, setting.Source = f.defaultValue, FromDefault
	}
	return setting
}

// withoutPassword masks what a URL has before its host.
func withoutPassword(value string) string {
	if u, err := url.Parse(value); err == nil && u.User != nil {
		return u.Scheme + "://" + mask + "@" + u.Host + u.Path
	}
	return value
}

// foreignSecrets are parts of the names of other projects' variables that hold secrets.
var foreignSecrets = []string{"KEY", "HEADERS", "AUTH", "TOKEN", "PASSWORD", "SECRET", "_DATA", "_META"}

// Foreign describes the variables with a prefix that are set and are read by another
// project's library. What may be a secret is masked; a path is shown.
func Foreign(e Environment, prefix string) []Setting {
	var settings []Setting
	for _, name := range e.Names(prefix) {
		value := withoutPassword(e.Value(name))
		masked := slices.ContainsFunc(foreignSecrets, func(part string) bool { return strings.Contains(name, part) })
		if masked && !strings.HasSuffix(name, FileSuffix) && !strings.HasSuffix(name, "_PATH") {
			value = describeSecret(value)
		}
		settings = append(settings, Setting{Variable: name, Value: value, Source: e.variables[name].source})
	}
	return settings
}
