package option_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/option"
)

func TestFaultsByFieldAndByVariable(t *testing.T) {
	var faults option.Faults
	require.NoError(t, faults.Err())
	faults.Add("CertFile", "is not set, and {KeyFile} is: set both")
	faults.AddError("Port", nil)
	faults.AddError("Port", errors.Join(errors.New("is 0"), errors.New("is {odd}")))
	require.EqualError(t, faults.Err(),
		"CertFile: is not set, and KeyFile is: set both\nPort: is 0\nPort: is {odd}")

	variables := map[string]string{"CertFile": "TLS_CERT_FILE", "KeyFile": "TLS_KEY_FILE"}
	var got []string
	for _, f := range faults {
		name, problem := f.Rename(variables)
		got = append(got, fmt.Sprintf("%s: %s", name, problem))
	}
	assert.Equal(t, []string{
		"TLS_CERT_FILE: is not set, and TLS_KEY_FILE is: set both", "Port: is 0", "Port: is {odd}",
	}, got)
}
