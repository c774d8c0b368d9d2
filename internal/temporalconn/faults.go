package temporalconn

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"strings"

	"error-check-gate/internal/nowait"
	"error-check-gate/internal/option"
)

// Variables is a set of environment variables. An empty variable counts as unset.
type Variables interface {
	// Value returns a variable's value.
	Value(name string) string
	// Names returns the variables that are set and start with a prefix.
	Names(prefix string) []string
}

// Faults returns what is wrong with the TEMPORAL_* variables. Temporal's library reads them too,
// but it silently ignores values that it does not understand. The Field of each fault is a
// variable.
func Faults(v Variables) option.Faults {
	c := checker{variables: v}
	c.checkAddress()
	c.checkNames()
	c.checkAPIKey()
	c.checkTLS()
	for _, name := range v.Names("TEMPORAL_GRPC_META_") {
		if strings.ContainsFunc(v.Value(name), func(r rune) bool { return r < ' ' || r > '~' }) {
			c.faults.Add(name, "has a control character or a non-ASCII letter, "+
				"which a gRPC header cannot carry")
		}
	}
	if path := v.Value(configFileVariable); path != "" {
		c.faults.AddError(configFileVariable, nowait.CheckReadable(path))
	}
	return c.faults
}

// checker collects faults.
type checker struct {
	variables Variables
	faults    option.Faults
}

func notGraphic(r rune) bool { return r <= ' ' || r > '~' }

// checkAddress accepts host:port, with or without one of gRPC's resolvers in front.
func (c *checker) checkAddress() {
	const variable = "TEMPORAL_ADDRESS"
	address := c.variables.Value(variable)
	if address == "" {
		return
	}
	target := address
	for _, resolver := range []string{"dns:///", "passthrough:///"} {
		target = strings.TrimPrefix(target, resolver)
	}
	host, port, err := net.SplitHostPort(target)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil, host == "", strings.ContainsFunc(host, notGraphic),
		strings.ContainsAny(host, "/@?#"):
		c.faults.Add(variable, "%s is not an address: "+
			"write host:port, such as localhost:7233, without a scheme", option.Quote(address))
	case portErr != nil, number == 0:
		c.faults.Add(variable, "%s is not a port: write 1 to 65535", option.Quote(port))
	}
}

// maxNamespace is well below the 1,000 characters that Temporal allows for an id.
const maxNamespace = 255

func (c *checker) checkNames() {
	namespace := c.variables.Value("TEMPORAL_NAMESPACE")
	if len(namespace) > maxNamespace || strings.ContainsFunc(namespace, notGraphic) {
		c.faults.Add("TEMPORAL_NAMESPACE", "%s is not a namespace: "+
			"write its name, without spaces, at most %d characters", option.Quote(namespace), maxNamespace)
	}
	for _, variable := range []string{tlsPrefix + "SERVER_NAME", "TEMPORAL_CLIENT_AUTHORITY"} {
		name := c.variables.Value(variable)
		if strings.ContainsFunc(name, notGraphic) || strings.ContainsAny(name, "/@?#") {
			c.faults.Add(variable, "%s is not a host name: write only the name, without scheme or path",
				option.Quote(name))
		}
	}
	for _, variable := range []string{"TEMPORAL_TLS", tlsPrefix + "DISABLE_HOST_VERIFICATION"} {
		switch value := c.variables.Value(variable); strings.ToLower(value) {
		case "", "0", "1", "true", "false":
		default:
			c.faults.Add(variable, "%s is not valid: write true or false", option.Quote(value))
		}
	}
}

func (c *checker) checkAPIKey() {
	if _, err := readAPIKey(c.variables.Value); err != nil {
		c.faults.Add(err.variable, "%s", err.problem)
	}
}

// apiKeyError is a problem with one of the two variables of the API key.
type apiKeyError struct{ variable, problem string }

func (e *apiKeyError) Error() string { return e.variable + ": " + e.problem }

// readAPIKey returns the API key from its variable, or from the file that the other variable names.
func readAPIKey(value func(variable string) string) (string, *apiKeyError) {
	key, path, variable := value(apiKeyVariable), value(apiKeyFileVariable), apiKeyVariable
	if path != "" {
		if key != "" {
			return "", &apiKeyError{variable, apiKeyFileVariable + " is set too: keep one of them"}
		}
		variable = apiKeyFileVariable
		content, err := nowait.ReadSmallFile(path)
		if err != nil {
			return "", &apiKeyError{variable, err.Error()}
		}
		if key = strings.TrimSpace(string(content)); key == "" {
			return "", &apiKeyError{variable, path + " is empty: write the API key to it"}
		}
	}
	key = strings.TrimSpace(key)
	if strings.ContainsFunc(key, notGraphic) {
		return "", &apiKeyError{variable,
			"has a space, a control character or a non-ASCII letter: write only the key"}
	}
	return key, nil
}

const tlsPrefix = "TEMPORAL_TLS_"

// checkTLS reads the certificates as Temporal's library does: each is a path or data, and the
// client's certificate and key belong together.
func (c *checker) checkTLS() {
	if off := strings.ToLower(c.variables.Value("TEMPORAL_TLS")); off == "false" || off == "0" {
		return
	}
	certificate, certOK := c.readPEM(tlsPrefix + "CLIENT_CERT")
	key, keyOK := c.readPEM(tlsPrefix + "CLIENT_KEY")
	switch {
	case !certOK || !keyOK:
	case certificate.variable == "" && key.variable == "":
	case key.variable == "":
		c.faults.Add(tlsPrefix+"CLIENT_KEY_PATH", "is not set, and %s is: set both or neither",
			certificate.variable)
	case certificate.variable == "":
		c.faults.Add(tlsPrefix+"CLIENT_CERT_PATH", "is not set, and %s is: set both or neither",
			key.variable)
	case certificate.isPath() != key.isPath():
		c.faults.Add(key.variable, "and %s: give both as a path, or both as data", certificate.variable)
	default:
		if _, err := tls.X509KeyPair(certificate.content, key.content); err != nil {
			c.faults.Add(certificate.variable, "does not match %s: %v", key.variable, err)
		}
	}
	ca, ok := c.readPEM(tlsPrefix + "SERVER_CA_CERT")
	if ok && ca.variable != "" && !x509.NewCertPool().AppendCertsFromPEM(ca.content) {
		c.faults.Add(ca.variable, "holds no PEM certificate")
	}
}

// pem is the content of one certificate or key and the variable that it comes from. The variable is
// empty if none is set.
type pem struct {
	content  []byte
	variable string
}

func (p *pem) isPath() bool { return strings.HasSuffix(p.variable, "_PATH") }

// readPEM reads NAME_DATA, or the file in NAME_PATH. ok is false after a fault.
func (c *checker) readPEM(name string) (p pem, ok bool) {
	path, data := c.variables.Value(name+"_PATH"), c.variables.Value(name+"_DATA")
	switch {
	case path != "" && data != "":
		c.faults.Add(name+"_PATH", "%s_DATA is set too: keep one of them", name)
		return pem{}, false
	case path != "":
		content, err := nowait.ReadSmallFile(path)
		if err != nil {
			c.faults.Add(name+"_PATH", "%v", err)
			return pem{}, false
		}
		return pem{content, name + "_PATH"}, true
	case data != "":
		return pem{[]byte(data), name + "_DATA"}, true
	default:
		return pem{}, true
	}
}
