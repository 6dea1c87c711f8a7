#!/usr/bin/env python3
"""moto_server, with its signature and permission checks on, takes what uni pushes; boto3 reads it back."""

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
import botocore.session
import botocore.validate
import moto.ec2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/cli"))
import scenario  # noqa: E402

BUILD = sys.argv[1]
UNI = os.path.join(BUILD, "bin/uni")
PACKAGES = os.path.join(ROOT, "build/packages/out")
REGION, BLOCK = "eu-central-1", 524288
SETUP_CALLS = 12  # made by the test before moto asks for signatures
POLICY = os.path.join(ROOT, "docs/ec2-policy.json")
RECIPE = """[image]
name = "judged"
version = "2.1.0"
[app]
sources = ["main.c"]
[[volume]]
name = "data"
mount = "/srv"
source = "data"
compression = "none"
""" + scenario.OWN_DISKS.format("data")


def start_moto(folder):
    port = scenario.free_port()
    with open(os.path.join(folder, "moto.log"), "wb") as log:
        server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "moto_server"), "-H", "127.0.0.1",
                                   "-p", str(port)], stdout=log, stderr=log,
                                  env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SETUP_CALLS)})
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.1)
    raise SystemExit("moto_server does not start")


def make_user(url, name, without=None):
    """One who may do what the documentation's policy says, but for one action. moto knows no names of EBS's resources."""
    iam = boto3.client("iam", region_name=REGION, endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b")
    with open(POLICY, encoding="ascii") as f:
        policy = json.load(f)
    for statement in policy["Statement"]:
        statement["Resource"] = "*"
        statement["Action"] = [action for action in statement["Action"] if action != without]
    iam.create_user(UserName=name)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def build(work, env):
    os.mkdir(os.path.join(work, "data"))
    with open(os.path.join(work, "data/file"), "wb") as f:
        f.write(os.urandom(2 << 20) + bytes(2 << 20) + os.urandom(1 << 20))
    for name, text in (("main.c", "int main(void) { return 0; }\n"), ("recipe.toml", RECIPE)):
        with open(os.path.join(work, name), "w", encoding="ascii") as f:
            f.write(text)
    base = next(f for f in sorted(os.listdir(PACKAGES)) if f.startswith("unibase-"))
    subprocess.run([UNI, "install", os.path.join(PACKAGES, base)], check=True, env=env, stdout=subprocess.DEVNULL)
    subprocess.run([UNI, "build", "-q", "recipe.toml", "-o", "out", "--format", "ami,raw"], check=True, env=env, cwd=work,
                   stdout=subprocess.DEVNULL)
    # The raw form of the recipe may have a smaller kernel.
    subprocess.run([UNI, "convert", "out/judged.ami", "raw", "-o", "disk.raw"], check=True, env=env, cwd=work,
                   stdout=subprocess.DEVNULL)


def blocks_of(ebs, snapshot):
    return {block["BlockIndex"]: ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=block["BlockIndex"],
                                                        BlockToken=block["BlockToken"])["BlockData"].read()
            for block in ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=10000)["Blocks"]}


def compare(work, ebs, snapshot):
    """Every block that is there equals the disk's, every other one is zeros there."""
    blocks = blocks_of(ebs, snapshot)
    with open(os.path.join(work, "disk.raw"), "rb") as f:
        for i in range(2048):
            assert blocks.get(i, bytes(BLOCK)) == f.read(BLOCK), i
    assert max(blocks) == 2047 and blocks[2047][-512:-504] == b"EFI PART", "copy of the table"


def compare_volume(work, ebs, snapshot, name):
    """A volume beside the disk holds what was built."""
    blocks = blocks_of(ebs, snapshot)
    with open(os.path.join(work, name), "rb") as f:
        raw = f.read()
    raw += bytes(-len(raw) % BLOCK)
    for i in range(max(len(raw) // BLOCK, max(blocks) + 1)):
        assert blocks.get(i, bytes(BLOCK)) == raw[i * BLOCK:(i + 1) * BLOCK], (name, i)


def strange_words(value, shape):
    """Words that the model's lists do not have."""
    if shape.type_name == "structure":
        return [w for name, v in value.items() for w in strange_words(v, shape.members[name])]
    if shape.type_name == "list":
        return [w for v in value for w in strange_words(v, shape.member)]
    return [value] if getattr(shape, "enum", None) and value not in shape.enum else []


def judge_request(work):
    """The request against EC2's published model of it: fields, types, and words where only some are taken."""
    model = botocore.session.get_session().get_service_model("ec2").operation_model("RegisterImage").input_shape
    with open(os.path.join(work, "out/judged.ami/register-image.json"), encoding="utf-8") as f:
        request = json.load(f)
    report = botocore.validate.ParamValidator().validate(request, model)
    assert not report.has_errors(), report.generate_report()
    assert not strange_words(request, model), strange_words(request, model)
    assert strange_words({"BootMode": "bios"}, model) == ["bios"]


def family_lists(work, env):
    """What a dry run says of an image without ENA, and of one that starts by UEFI alone."""
    path, said = os.path.join(work, "out/judged.ami/register-image.json"), []
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for change in ({"EnaSupport": False}, {"BootMode": "uefi"}):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**json.loads(text), **change}, f)
        out = subprocess.run([UNI, "push", "--json", "--dry-run", "out/judged.ami", f"ec2://{REGION}/"], check=True,
                             cwd=work, env=env, capture_output=True, text=True).stdout
        said.append(next(note["text"] for note in json.loads(out) if note["what"] == "types"))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return said


def judge_families(work, env):
    """The table of instance types against what EC2's DescribeInstanceTypes answered moto's authors."""
    with gzip.open(os.path.join(os.path.dirname(moto.ec2.__file__), "resources/instance_types.json.gz")) as f:
        types = {name: t for name, t in json.load(f).items()
                 if "x86_64" in t["ProcessorInfo"]["SupportedArchitectures"]}

    def families(wanted):
        return {name.split(".")[0] for name, t in types.items() if wanted(t)}

    on_xen = families(lambda t: t.get("Hypervisor") == "xen")
    bios = families(lambda t: t.get("Hypervisor") == "nitro" and "uefi" not in t["SupportedBootModes"])
    without_ena, by_uefi = family_lists(work, env)
    assert set(without_ena.split(", ")) == on_xen, on_xen ^ set(without_ena.split(", "))
    assert by_uefi.startswith("Nitro types but metal, "), by_uefi
    assert set(by_uefi.split(", ")[1:]) == bios, bios ^ set(by_uefi.split(", ")[1:])
    assert all(t["NetworkInfo"]["EnaSupport"] == t["EbsInfo"]["NvmeSupport"] == "required" for t in types.values()
               if t.get("Hypervisor") != "xen"), "a Nitro type without ENA or NVMe"


def images_of(out):
    """The ids that a push printed."""
    return [line.split()[2] for line in out.split("\n") if line.startswith("image")]


def judge_machine(ec2, env, image):
    """A machine from the image, of which moto says neither how it starts nor whether it has ENA."""
    def uni(*words):
        return subprocess.run([UNI, *words], check=True, env=env, capture_output=True, text=True).stdout

    machine = uni("run", f"ec2://{REGION}/{image}", "--type", "t3.nano").strip()
    name = machine.removeprefix(f"ec2://{REGION}/")

    def there():
        return ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]

    made = there()
    assert (made["ImageId"], made["InstanceType"], made["State"]["Name"]) == (image, "t3.nano", "running"), made
    assert json.loads(uni("ps", f"ec2://{REGION}", "--json"))[0]["id"] == name
    assert uni("logs", machine).startswith("Linux version"), "what moto says of every machine's console"
    uni("stop", machine)
    assert there()["State"]["Name"] == "terminated" and name not in uni("ps", f"ec2://{REGION}")


def main():
    work = tempfile.mkdtemp(prefix="uni-ec2-")
    server, url = start_moto(work)
    try:
        user = make_user(url, "pusher")
        lesser = {action: make_user(url, action.split(":")[1], action) for action in ("ec2:RegisterImage", "ebs:PutSnapshotBlock")}
        env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_", "AWS_"))}
        env.update(UNI_CACHE=work + "/store", UNI_INDEX=work + "/no-index", XDG_STATE_HOME=work + "/state",
                   HOME=work + "/home", no_proxy="127.0.0.1",
                   AWS_ENDPOINT_URL=url, AWS_EC2_METADATA_DISABLED="true", **user)
        build(work, env)
        judge_request(work)
        judge_families(work, env)
        push = [UNI, "push", "out/judged.ami", f"ec2://{REGION}/", "--wait"]
        secret = user["AWS_SECRET_ACCESS_KEY"]
        refused = [({"AWS_SECRET_ACCESS_KEY": secret[::-1]}, "not accepted")]
        refused += [(keys, f"the permission {action} is missing") for action, keys in lesser.items()]
        for keys, said in refused:
            done = subprocess.run(push, check=False, cwd=work, env={**env, **keys}, capture_output=True, text=True)
            assert done.returncode == 1 and said in done.stderr, done.stderr
        out = subprocess.run(push, check=True, cwd=work, env=env, capture_output=True, text=True).stdout
        keys = {"region_name": REGION, "endpoint_url": url, "aws_access_key_id": user["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": secret}
        judge_machine(boto3.client("ec2", **keys), env, images_of(out)[0])
        images = boto3.client("ec2", **keys).describe_images(Owners=["self"])["Images"]
        assert [i["Name"] for i in images if i["ImageId"] in images_of(out)] and images[0]["Name"].startswith("judged-2.1.0-"), images
        # moto computes another signature than boto3 for a query; ours has none. Reading back needs no judge of that.
        urllib.request.urlopen(urllib.request.Request(url + "/moto-api/reset-auth", data=b"1000000",
                                                      headers={"Content-Type": "text/plain"})).close()
        ebs = boto3.client("ebs", **keys)
        # moto's RegisterImage forgets the mappings it is given.
        snapshots = {line.split()[3]: line.split()[2] for line in out.split("\n") if line.startswith("snapshot")}
        compare(work, ebs, snapshots["made"])
        compare_volume(work, ebs, snapshots["state"], "out/judged.state.raw")
        compare_volume(work, ebs, snapshots["www"], "out/judged.www.vol")
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(work, ignore_errors=True)
    print("moto_server took the push and started the image, and boto3 read the disk back")


if __name__ == "__main__":
    main()
