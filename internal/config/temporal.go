package config

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"strings"
)

// Temporal marks a process that connects to Temporal. Temporal's own library reads the TEMPORAL_*
// variables. It takes what it cannot read for unset, so the gate checks them first.
type Temporal struct{}

// connectsToTemporal implements [temporalProcess].
func (Temporal) connectsToTemporal() {}

type temporalProcess interface{ connectsToTemporal() }

// maxNamespace is well below the 1,000 characters that Temporal allows for an id.
const maxNamespace = 255

// checkTemporal adds the faults of Temporal's own variables. An empty variable counts as unset.
func checkTemporal(f *Faults, e Environment) {
	if address := e.Value("TEMPORAL_ADDRESS"); address != "" {
		checkTemporalAddress(f, address)
	}
	if namespace := e.Value("TEMPORAL_NAMESPACE"); len(namespace) > maxNamespace || strings.ContainsFunc(namespace, notGraphic) {
		f.add("TEMPORAL_NAMESPACE", "%s is not a namespace: write its name, without spaces, at most %d characters", quoteShort(namespace), maxNamespace)
	}
	for _, variable := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		switch value := e.Value(variable); strings.ToLower(value) {
		case "", "0", "1", "true", "false":
		default:
			f.add(variable, "%s cannot be read: write true or false", quoteShort(value))
		}
	}
	for _, variable := range []string{"TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_CLIENT_AUTHORITY"} {
		if name := e.Value(variable); strings.ContainsFunc(name, notGraphic) || strings.ContainsAny(name, "/@?#") {
			f.add(variable, "%s is not a host name: write it alone, without a scheme or a path", quoteShort(name))
		}
	}
	checkTemporalKey(f, e)
	checkTemporalTLS(f, e)
	for _, name := range e.Names("TEMPORAL_GRPC_META_") {
		if strings.ContainsFunc(e.Value(name), func(r rune) bool { return r < ' ' || r > '~' }) {
			f.add(name, "has a control character or a letter outside ASCII, which a gRPC header cannot carry")
		}
	}
	if path := e.Value("TEMPORAL_CONFIG_FILE"); path != "" {
		checkFile(f, "TEMPORAL_CONFIG_FILE", path)
	}
}

func notGraphic(r rune) bool { return r <= ' ' || r > '~' }

// checkTemporalAddress takes host:port, with one of gRPC's resolvers in front, if any.
func checkTemporalAddress(f *Faults, address string) {
	const variable = "TEMPORAL_ADDRESS"
	target := address
	for _, resolver := range []string{"dns:///", "passthrough:///"} {
		target = strings.TrimPrefix(target, resolver)
	}
	host, port, err := net.SplitHostPort(target)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil, host == "", strings.ContainsFunc(host, notGraphic), strings.ContainsAny(host, "/@?#"):
		f.add(variable, "%s is not an address: write host:port, such as localhost:7233, without a scheme", quoteShort(address))
	case portErr != nil, number == 0:
		f.add(variable, "%s is not a port: write 1 to 65535", quoteShort(port))
	}
}

func checkTemporalKey(f *Faults, e Environment) {
	key, path := e.Value("TEMPORAL_API_KEY"), e.Value("TEMPORAL_API_KEY_FILE")
	variable := "TEMPORAL_API_KEY"
	if path != "" {
		if key != "" {
			f.add(variable, "TEMPORAL_API_KEY_FILE is set too: keep one of them")
			return
		}
		variable = "TEMPORAL_API_KEY_FILE"
		var err error
		if key, err = readSecretFile(path); err != nil {
			f.add(variable, "%v", err)
			return
		}
	}
	if strings.ContainsFunc(strings.TrimSpace(key), notGraphic) {
		f.add(variable, "has a space, a control character or a letter outside ASCII: write the key alone")
	}
}

// checkTemporalTLS checks the certificates as Temporal's library will read them: each as a path or as
// data, the client's certificate and key together.
func checkTemporalTLS(f *Faults, e Environment) {
	if tlsOff := strings.ToLower(e.Value("TEMPORAL_TLS")); tlsOff == "false" || tlsOff == "0" {
		return
	}
	const prefix = "TEMPORAL_TLS_"
	certificate, certificateVariable, certificateRead := readPEM(f, e, prefix+"CLIENT_CERT")
	key, keyVariable, keyRead := readPEM(f, e, prefix+"CLIENT_KEY")
	switch {
	case !certificateRead || !keyRead:
	case certificateVariable == "" && keyVariable == "":
	case keyVariable == "":
		f.add(prefix+"CLIENT_KEY_PATH", "is not set, and %s is: set both or neither", certificateVariable)
	case certificateVariable == "":
		f.add(prefix+"CLIENT_CERT_PATH", "is not set, and %s is: set both or neither", keyVariable)
	case strings.HasSuffix(certificateVariable, "_PATH") != strings.HasSuffix(keyVariable, "_PATH"):
		f.add(keyVariable, "and %s: give both as a path, or both as data", certificateVariable)
	default:
		if _, err := tls.X509KeyPair(certificate, key); err != nil {
			f.add(certificateVariable, "does not make a pair with %s: %v", keyVariable, err)
		}
	}
	ca, caVariable, caRead := readPEM(f, e, prefix+"SERVER_CA_CERT")
	if caRead && caVariable != "" && !x509.NewCertPool().AppendCertsFromPEM(ca) {
		f.add(caVariable, "holds no PEM certificate")
	}
}

// readPEM returns the content of NAME_DATA or of the file in NAME_PATH, and the variable that it comes from;
// the variable is empty if neither is set. ok is false after a fault.
func readPEM(f *Faults, e Environment, name string) (content []byte, variable string, ok bool) {
	path, data := e.Value(name+"_PATH"), e.Value(name+"_DATA")
	switch {
	case path != "" && data != "":
		f.add(name+"_PATH", "%s_DATA is set too: keep one of them", name)
		return nil, "", false
	case path != "":
		content, err := readSmallFile(path)
		if err != nil {
			f.add(name+"_PATH", "%v", err)
			return nil, "", false
		}
		return content, name + "_PATH", true
	case data != "":
		return []byte(data), name + "_DATA", true
	default:
		return nil, "", true
	}
}

// quoteShort quotes a value for a message, cut if it is long.
func quoteShort(value string) string {
	const longest = 60
	if len(value) > longest {
		return strconv.Quote(strings.ToValidUTF8(value[:longest], "")) + "…"
	}
	return strconv.Quote(value)
}
