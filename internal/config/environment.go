package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// Sources of a value.
const (
	FromEnvironment = "environment"
	FromDotEnv      = ".env"
	FromFile        = "file" // named by the variable with _FILE at its end
	FromDefault     = "default"
)

// Environment is a set of variables, with where each one was found. The zero value is empty.
type Environment struct {
	variables map[string]variable
}

type variable struct {
	value  string
	source string
}

// OS is this process's environment.
func OS() Environment { return Environ(os.Environ()) }

// Environ is an environment in the form of [os.Environ]. Of a doubled name the last counts.
func Environ(entries []string) Environment {
	variables := make(map[string]variable, len(entries))
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			variables[name] = variable{value: value, source: FromEnvironment}
		}
	}
	return Environment{variables: variables}
}

// WithDotEnv adds the variables of a .env file that are not set yet, the empty ones
// included: the environment always wins. A file that does not exist adds none.
func (e Environment) WithDotEnv(path string) (Environment, error) {
	content, err := readSmallFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read %s: %w", path, err)
	}
	values, err := godotenv.UnmarshalBytes(content)
	if err != nil {
		// The parser's words quote the file, which holds secrets.
		return e, fmt.Errorf("%s:%d: cannot be read: write one NAME=value a line, and quote a value with spaces", path, faultLine(content))
	}
	variables := maps.Clone(e.variables)
	if variables == nil {
		variables = make(map[string]variable, len(values))
	}
	for name, value := range values {
		if _, set := variables[name]; !set {
			variables[name] = variable{value: value, source: FromDotEnv}
		}
	}
	return Environment{variables: variables}, nil
}

// faultLine returns the first line, from 1, of a .env file from which on it cannot be read. The parser does not say.
// A quoted value may span lines, so a file that is readable up to a later line has its fault after that.
func faultLine(content []byte) int {
	lines := bytes.SplitAfter(content, []byte("\n"))
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n], nil)); err == nil {
			return n + 1
		}
	}
	return 1
}

// Setenv gives the variables that came from a .env file to the process itself,
// for the libraries that read TEMPORAL_* and OTEL_* there.
func (e Environment) Setenv() error {
	for name, v := range e.variables {
		if v.source != FromDotEnv {
			continue
		}
		if err := os.Setenv(name, v.value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// Source says where a variable's value came from; ok is false where it is unset or empty.
func (e Environment) Source(name string) (source string, ok bool) {
	v := e.variables[name]
	return v.source, v.value != ""
}

// Names of the variables that begin with a prefix and are not empty, sorted.
func (e Environment) Names(prefix string) []string {
	var names []string
	for name, v := range e.variables {
		if strings.HasPrefix(name, prefix) && v.value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Value of a variable; empty where it is unset.
func (e Environment) Value(name string) string { return e.variables[name].value }
