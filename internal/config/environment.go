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

	"error-check-gate/internal/nowait"
)

// Sources of a value.
const (
	FromEnvironment = "environment"
	FromDotEnv      = ".env"
	FromFile        = "file" // the file that NAME_FILE names
	FromDefault     = "default"
)

// Environment is a set of variables, each with its source. The zero value is empty.
type Environment struct {
	variables map[string]variable
}

type variable struct {
	value  string
	source string
}

// OS returns the environment of this process.
func OS() Environment { return Environ(os.Environ()) }

// Environ returns an environment from entries in the form of [os.Environ]. If a name occurs twice,
// the last entry counts.
func Environ(entries []string) Environment {
	variables := make(map[string]variable, len(entries))
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			variables[name] = variable{value: value, source: FromEnvironment}
		}
	}
	return Environment{variables: variables}
}

// WithDotEnv adds the variables of a .env file that the environment does not have. The environment
// always wins, even with an empty variable. A missing file adds nothing.
func (e Environment) WithDotEnv(path string) (Environment, error) {
	content, err := nowait.ReadSmallFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read %s: %w", path, err)
	}
	values, err := godotenv.UnmarshalBytes(content)
	if err != nil {
		// The parser's error quotes the file, which holds secrets.
		return e, fmt.Errorf("%s:%d: not valid: write one NAME=value per line, "+
			"and quote a value that has spaces", path, faultLine(content))
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

// faultLine returns the first line of a .env file that is not valid, counted from 1. The parser
// does not report it. A quoted value may span lines, so this looks for the longest valid beginning
// of the file.
func faultLine(content []byte) int {
	lines := bytes.SplitAfter(content, []byte("\n"))
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n], nil)); err == nil {
			return n + 1
		}
	}
	return 1
}

// Setenv copies the variables of a .env file to the environment of this process. Temporal's and
// OpenTelemetry's libraries read TEMPORAL_* and OTEL_* there.
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

// Source returns the source of a variable. ok is false if it is unset or empty.
func (e Environment) Source(name string) (source string, ok bool) {
	v := e.variables[name]
	return v.source, v.value != ""
}

// Names returns the variables that start with a prefix and are not empty, sorted.
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

// Value returns the value of a variable, or an empty string if it is unset.
func (e Environment) Value(name string) string { return e.variables[name].value }
