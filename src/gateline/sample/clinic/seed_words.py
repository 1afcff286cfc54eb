"""Words that the sample data are made of, written for it: no real people, places or numbers."""

from typing import Final

FEMALE_NAMES: Final = (
    "Lucía", "Carmen", "Valeria", "Camila", "Ximena", "Daniela", "Mariana", "Paula", "Rocío",
    "Inés", "Beatriz", "Noelia", "Adriana", "Elena", "Marta", "Olivia", "Emma", "Charlotte",
    "Hannah", "Grace", "Amelia", "Ruby", "Alice", "Megan", "Claire", "Judith",
)  # fmt: skip
MALE_NAMES: Final = (
    "Andrés", "Mateo", "Santiago", "Diego", "Javier", "Emilio", "Tomás", "Rafael", "Hugo",
    "Iván", "Sergio", "Pablo", "Óscar", "Gonzalo", "Raúl", "Oliver", "Harry", "George",
    "Thomas", "Samuel", "Edward", "Daniel", "Peter", "Simon", "Walter", "Owen",
)  # fmt: skip
SURNAMES: Final = (
    "Herrera", "Molina", "Ortega", "García", "Navarro", "Campos", "Rivas", "Solís", "Peña",
    "Aguilar", "Castaño", "Fuentes", "Ibáñez", "Lozano", "Medina", "Núñez", "Pacheco", "Quiroga",
    "Salazar", "Vega", "Zamora", "Bennett", "Carter", "Dawson", "Ellis", "Fletcher", "Graham",
    "Hughes", "Jennings", "Lawson", "Marsh", "Norris", "Palmer", "Reeves", "Shaw", "Turner",
    "Watts", "Young",
)  # fmt: skip

INSTITUTIONS: Final = (
    ("Hospital San Rafael", "hospital", "Valle Alto"),
    ("Clínica del Parque", "clinic", "Valle Alto"),
    ("Riverside Medical Centre", "hospital", "Port Ellery"),
    ("Clínica Santa Lucía", "clinic", "Las Lomas"),
    ("Northgate Diagnostics", "laboratory", "Port Ellery"),
)
SPECIALTIES: Final = (
    "General Practice", "Cardiology", "Pediatrics", "Dermatology", "Neurology", "Orthopedics",
    "Gynecology", "Endocrinology", "Ophthalmology", "Psychiatry", "Pulmonology", "Oncology",
)  # fmt: skip
STREETS: Final = (
    "Calle Mayor", "Avenida del Sol", "Calle Olmo", "Paseo del Río", "Mill Lane",
    "Station Road", "Harbour Street", "Orchard Close",
)  # fmt: skip
RELATIONS: Final = ("mother", "father", "partner", "sister", "brother", "daughter", "son")
BLOOD_TYPES: Final = ("O+", "A+", "B+", "AB+", "O-", "A-", "B-", "AB-")
BLOOD_WEIGHTS: Final = (37, 34, 11, 4, 6, 5, 2, 1)

APPOINTMENT_REASONS: Final = (
    "Annual check-up", "Follow-up visit", "Blood pressure control", "Review of lab results",
    "New symptoms", "Vaccination", "Medication review", "Second opinion",
)  # fmt: skip
VISITS: Final = (
    ("Annual check-up", "No complaints. Continue as before."),
    ("Persistent cough", "Lungs clear. Fluids and rest, return in a week if it stays."),
    ("Lower back pain", "No red flags. Exercises shown, painkillers as needed."),
    ("Headache for three days", "Neurological examination normal. Headache diary started."),
    ("Follow-up", "Doing well, values improving."),
    ("Skin rash on forearm", "Contact dermatitis likely. Ointment prescribed."),
)
DIAGNOSES: Final = (
    ("Essential hypertension", "I10"), ("Type 2 diabetes mellitus", "E11.9"),
    ("Asthma", "J45.909"), ("Migraine", "G43.909"), ("Hypothyroidism", "E03.9"),
    ("Seasonal allergic rhinitis", "J30.2"), ("Low back pain", "M54.5"),
    ("Iron deficiency anaemia", "D50.9"),
)  # fmt: skip
MEDICATIONS: Final = (
    ("Losartan", "50 mg", "once a day"), ("Metformin", "850 mg", "twice a day"),
    ("Salbutamol inhaler", "100 µg", "as needed"), ("Levothyroxine", "75 µg", "once a day"),
    ("Ibuprofen", "400 mg", "up to three times a day"), ("Atorvastatin", "20 mg", "at night"),
    ("Cetirizine", "10 mg", "once a day"),
)  # fmt: skip
ALLERGIES: Final = (
    ("Penicillin", "skin rash", "severe"), ("Peanuts", "swelling of the lips", "severe"),
    ("Grass pollen", "sneezing", "mild"), ("Latex", "itching", "moderate"),
    ("Shellfish", "hives", "moderate"),
)  # fmt: skip
LAB_TESTS: Final = (
    ("Haemoglobin", "g/dL", 12.0, 17.0), ("Fasting glucose", "mg/dL", 70.0, 100.0),
    ("LDL cholesterol", "mg/dL", 50.0, 130.0), ("Creatinine", "mg/dL", 0.6, 1.2),
    ("TSH", "mIU/L", 0.4, 4.0), ("Vitamin D", "ng/mL", 30.0, 60.0),
)  # fmt: skip
