package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/ingress"
	"error-check-gate/internal/inflow"
)

func TestEveryFieldHasAVariableAndAHint(t *testing.T) {
	for _, p := range processes {
		names := map[string]bool{}
		for _, f := range fieldsOf(p.make()) {
			assert.NotEmpty(t, f.variable, "%s %s", p.name, f.name)
			assert.NotEmpty(t, f.hint, "%s %s", p.name, f.name)
			assert.False(t, names[f.name],
				"%s: field %s twice: a fault could not be told which variable it is of", p.name, f.name)
			names[f.name] = true
			assert.False(t, f.secret && f.defaultValue != "", "%s: secret %s has a default", p.name,
				f.variable)
		}
	}
}

func TestExampleFileNamesEverySettingWithItsDefault(t *testing.T) {
	content, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	example := map[string]string{}
	for _, match := range regexp.MustCompile(
		`(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$`).FindAllStringSubmatch(string(content), -1) {
		example[match[1]] = match[2]
	}
	known := map[string]bool{}
	for _, p := range processes {
		for _, f := range fieldsOf(p.make()) {
			if !known[f.variable] { // the first process's default is the one that the example shows
				value, ok := example[f.variable]
				assert.True(t, ok, "%s is not in .env.example", f.variable)
				assert.Equal(t, f.defaultValue, value, f.variable)
			}
			known[f.variable] = true
			known[f.variable+FileSuffix] = f.secret
		}
	}
	for variable := range example {
		foreign := strings.HasPrefix(variable, "TEMPORAL_") || strings.HasPrefix(variable, "OTEL_")
		assert.True(t, known[variable] || foreign, ".env.example has %s, which nothing reads", variable)
	}
}

// TestEveryVariableIsDeclaredOnce fails if two structs declare the same variable, because their
// defaults could differ.
func TestEveryVariableIsDeclaredOnce(t *testing.T) {
	declared := map[string]string{}
	for path, source := range readFiles(t, "internal/config/*.go") {
		for _, match := range regexp.MustCompile(`env:"([A-Z0-9_]+)"`).FindAllStringSubmatch(source, -1) {
			assert.Empty(t, declared[match[1]], "%s is declared in %s too", match[1], path)
			declared[match[1]] = path
		}
	}
	for _, p := range processes {
		settings, ok := p.make().(withDefaults)
		if !ok {
			continue
		}
		for variable := range settings.defaults() {
			assert.NotEmpty(t, declared[variable], "%s has a default for %s", p.name, variable)
		}
	}
}

// TestDefaultsAreThePackages checks that the settings have the defaults of the packages that use
// them.
func TestDefaultsAreThePackages(t *testing.T) {
	defaults := production()
	for variable, want := range map[string]any{
		"INFLOW_API_URL": inflow.DefaultBaseURL, "INFLOW_API_VERSION": inflow.DefaultAPIVersion,
		"RATE_LIMIT": ingress.DefaultRateLimit, "PEER_RATE_LIMIT": ingress.DefaultPeerRateLimit,
		"PEER_FAILURE_LIMIT":   ingress.DefaultPeerFailureLimit,
		"MAX_CONNECTIONS":      ingress.DefaultMaxConnections,
		"PEER_MAX_CONNECTIONS": ingress.DefaultPeerMaxConnections,
		"AUDIT_LOG_MAX_SIZE":   ingress.DefaultAuditMaxSize >> 20,
		"AUDIT_LOG_KEEP":       ingress.DefaultAuditKeep,
	} {
		assert.Equal(t, fmt.Sprint(want), defaults[variable], variable)
	}
}
