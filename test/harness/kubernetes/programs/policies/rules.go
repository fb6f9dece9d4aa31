package main

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// cluster is what policies are made of.
type cluster struct {
	pods       []*core.Pod
	namespaces []*core.Namespace
	policies   []*networking.NetworkPolicy
}

// address is a pod's, or "" where it has none of its own (yet, or any more).
func address(pod *core.Pod) string {
	if pod.Spec.HostNetwork || pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
		return ""
	}
	return pod.Status.PodIP
}

// ruleset writes the table that enforces the policies.
func (c *cluster) ruleset(network string) (string, error) {
	var known, chains, ingress, egress []string
	for _, pod := range c.pods {
		ip := address(pod)
		if ip == "" {
			continue
		}
		known = append(known, ip)
		for _, direction := range []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress} {
			rules, isolated, err := c.rulesOf(pod, direction)
			if err != nil {
				return "", err
			}
			if !isolated {
				continue
			}
			name := strings.ToLower(string(direction)) + "_" + strings.ReplaceAll(ip, ".", "_")
			chains = append(chains, fmt.Sprintf("chain %s {\n%s\ndrop\n}", name, strings.Join(rules, "\n")))
			if direction == networking.PolicyTypeIngress {
				ingress = append(ingress, fmt.Sprintf("ip daddr %s jump %s", ip, name))
			} else {
				egress = append(egress, fmt.Sprintf("ip saddr %s jump %s", ip, name))
			}
		}
	}
	for _, list := range [][]string{known, chains, ingress, egress} {
		slices.Sort(list)
	}
	elements := ""
	if len(known) > 0 {
		elements = "elements = { " + strings.Join(known, ", ") + " }"
	}
	return fmt.Sprintf(`table ip policies
delete table ip policies
table ip policies {
set known { type ipv4_addr; %[1]s; }
%[2]s
chain forward {
type filter hook forward priority filter; policy accept;
ct state established,related accept
ip saddr %[5]s ip saddr != @known drop
ip daddr %[5]s ip daddr != @known drop
%[3]s
%[4]s
}
chain input {
type filter hook input priority filter; policy accept;
ct state established,related accept
ip saddr %[5]s ip saddr != @known drop
%[3]s
}
}
`, elements, strings.Join(chains, "\n"), strings.Join(egress, "\n"), strings.Join(ingress, "\n"), network), nil
}

// rulesOf says what a pod's policies of one direction let pass, and whether there are any.
func (c *cluster) rulesOf(pod *core.Pod, direction networking.PolicyType) (rules []string, isolated bool, err error) {
	for _, policy := range c.policies {
		if policy.Namespace != pod.Namespace || !slices.Contains(policy.Spec.PolicyTypes, direction) {
			continue
		}
		selected, err := matches(&policy.Spec.PodSelector, pod.Labels)
		if err != nil {
			return nil, false, err
		}
		if !selected {
			continue
		}
		isolated = true
		if direction == networking.PolicyTypeIngress {
			for _, rule := range policy.Spec.Ingress {
				allowed, err := c.allow("saddr", pod, policy.Namespace, rule.From, rule.Ports)
				if err != nil {
					return nil, false, err
				}
				rules = append(rules, allowed...)
			}
			continue
		}
		for _, rule := range policy.Spec.Egress {
			allowed, err := c.allow("daddr", nil, policy.Namespace, rule.To, rule.Ports)
			if err != nil {
				return nil, false, err
			}
			rules = append(rules, allowed...)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules), isolated, nil
}

// allow writes a rule's peers and ports. target is the pod whose ports are meant; without one, they are each peer's own.
func (c *cluster) allow(side string, target *core.Pod, namespace string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort) ([]string, error) {
	var rules []string
	if len(peers) == 0 {
		return portsOf("", target, ports)
	}
	for _, peer := range peers {
		if block := peer.IPBlock; block != nil {
			if strings.Contains(block.CIDR, ":") {
				continue // this node has no IPv6
			}
			from := fmt.Sprintf("ip %s %s ", side, block.CIDR)
			if len(block.Except) > 0 {
				from += fmt.Sprintf("ip %s != { %s } ", side, strings.Join(block.Except, ", "))
			}
			allowed, err := portsOf(from, target, ports)
			if err != nil {
				return nil, err
			}
			rules = append(rules, allowed...)
			continue
		}
		for _, pod := range c.pods {
			ip := address(pod)
			is, err := c.isPeer(pod, namespace, peer)
			if err != nil {
				return nil, err
			}
			if ip == "" || !is {
				continue
			}
			whose := target
			if whose == nil {
				whose = pod
			}
			allowed, err := portsOf(fmt.Sprintf("ip %s %s ", side, ip), whose, ports)
			if err != nil {
				return nil, err
			}
			rules = append(rules, allowed...)
		}
	}
	return rules, nil
}

func (c *cluster) isPeer(pod *core.Pod, namespace string, peer networking.NetworkPolicyPeer) (bool, error) {
	if peer.NamespaceSelector == nil {
		if pod.Namespace != namespace {
			return false, nil
		}
	} else {
		index := slices.IndexFunc(c.namespaces, func(each *core.Namespace) bool { return each.Name == pod.Namespace })
		if index < 0 {
			return false, nil
		}
		if is, err := matches(peer.NamespaceSelector, c.namespaces[index].Labels); err != nil || !is {
			return false, err
		}
	}
	if peer.PodSelector == nil {
		return true, nil
	}
	return matches(peer.PodSelector, pod.Labels)
}

// portsOf writes one rule for each port, or one for all of them.
func portsOf(from string, pod *core.Pod, ports []networking.NetworkPolicyPort) ([]string, error) {
	if len(ports) == 0 {
		return []string{from + "return"}, nil
	}
	var rules []string
	for _, port := range ports {
		protocol := core.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		named := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			rules = append(rules, fmt.Sprintf("%smeta l4proto %s return", from, named))
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			rules = append(rules, fmt.Sprintf("%s%s dport %d-%d return", from, named, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			rules = append(rules, fmt.Sprintf("%s%s dport %d return", from, named, port.Port.IntVal))
		case pod == nil:
			return nil, fmt.Errorf("port %q is named, and no pod says which it is", port.Port.StrVal)
		default:
			for _, container := range pod.Spec.Containers {
				for _, each := range container.Ports {
					if each.Name == port.Port.StrVal && (each.Protocol == protocol || each.Protocol == "") {
						rules = append(rules, fmt.Sprintf("%s%s dport %d return", from, named, each.ContainerPort))
					}
				}
			}
		}
	}
	return rules, nil
}

func matches(selector *meta.LabelSelector, of map[string]string) (bool, error) {
	parsed, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, err
	}
	return parsed.Matches(labels.Set(of)), nil
}
