package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryFieldHasAVariableAndAHint(t *testing.T) {
	for _, p := range processes {
		names := map[string]bool{}
		for _, f := range fieldsOf(p.make()) {
			assert.NotEmpty(t, f.variable, "%s %s", p.name, f.name)
			assert.NotEmpty(t, f.hint, "%s %s", p.name, f.name)
			assert.False(t, names[f.name], "%s: field %s twice: a fault could not be told which variable it is of", p.name, f.name)
			names[f.name] = true
			assert.False(t, f.secret && f.defaultValue != "", "%s: secret %s has a default", p.name, f.variable)
		}
	}
}
