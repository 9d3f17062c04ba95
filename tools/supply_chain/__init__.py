"""The contents of the image: each distribution, its version and its licence, as a table and as an SBOM (CycloneDX 1.6).

distributions   the closure of what an extra needs, as it is installed
licences        what a distribution may be licensed under to be shipped
sbom            the CycloneDX document
locks           the hashes of every version, and what each image installs
"""
