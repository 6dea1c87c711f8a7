"""An OVF descriptor against the rules of DMTF's DSP0243 and its schema (DSP8023, with CIM's of the two kinds of settings):
what must be there, in which order, and that what refers to something finds it."""

import xml.etree.ElementTree

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
CIM = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_%s}"
RASD, VSSD = CIM % "ResourceAllocationSettingData", CIM % "VirtualSystemSettingData"
PROCESSOR, MEMORY, NETWORK, DISK = "3", "4", "10", "17"  # CIM_ResourceAllocationSettingData.ResourceType


def names(element):
    return [child.tag.removeprefix(OVF) for child in element]


def known(element, attribute, among):
    assert element.get(OVF + attribute) in among, (element.tag, attribute, element.get(OVF + attribute))


def settings(element, space, required):
    """The properties of one thing; the schema's sequence is that of their names."""
    tags = [child.tag for child in element]
    assert all(tag.startswith(space) for tag in tags) and tags == sorted(set(tags)), tags
    found = {child.tag.removeprefix(space): child.text for child in element}
    assert set(required) <= set(found), found
    return found


def check_hardware(section, disks, networks):
    assert names(section)[:2] == ["Info", "System"] and set(names(section)[2:]) == {"Item"}, names(section)
    settings(section[1], VSSD, ("ElementName", "InstanceID", "VirtualSystemType"))
    items = [settings(item, RASD, ("ElementName", "InstanceID", "ResourceType")) for item in section[2:]]
    ids = [item["InstanceID"] for item in items]
    assert len(set(ids)) == len(ids), ids
    for item in items:
        assert item.get("Parent", ids[0]) in ids, item
        if item["ResourceType"] in (PROCESSOR, MEMORY):
            assert int(item["VirtualQuantity"]) > 0, item
        if item["ResourceType"] == DISK:
            assert item["HostResource"].removeprefix("ovf:/disk/") in disks and "AddressOnParent" in item, item
        if item["ResourceType"] == NETWORK:
            assert item["Connection"] in networks, item
    assert {PROCESSOR, MEMORY, DISK} <= {item["ResourceType"] for item in items}


def check_ovf(text):
    envelope = xml.etree.ElementTree.fromstring(text)
    assert envelope.tag == OVF + "Envelope"
    order = ["References", "DiskSection", "NetworkSection", "VirtualSystem"]
    assert names(envelope) == [n for n in order if n != "NetworkSection" or n in names(envelope)], names(envelope)
    for section in envelope.iter():
        if section.tag.endswith("Section") or section.tag == OVF + "VirtualSystem":
            assert names(section)[0] == "Info", section.tag
    files = {f.get(OVF + "id") for f in envelope.find(OVF + "References")}
    disks = {}
    for disk in envelope.findall(f"{OVF}DiskSection/{OVF}Disk"):
        known(disk, "fileRef", files)
        assert int(disk.get(OVF + "capacity")) > 0 and ":" in disk.get(OVF + "format")
        disks[disk.get(OVF + "diskId")] = disk
    networks = {n.get(OVF + "name") for n in envelope.findall(f"{OVF}NetworkSection/{OVF}Network")}
    system = envelope.find(OVF + "VirtualSystem")
    assert system.get(OVF + "id") and names(system) == ["Info", "Name", "OperatingSystemSection", "VirtualHardwareSection"]
    assert int(system[2].get(OVF + "id")) > 0, "CIM_OperatingSystem.OSType"
    check_hardware(system[3], disks, networks)
